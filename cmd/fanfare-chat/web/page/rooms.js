// The rooms that this user is in, and what is unread in them. No nodes here.

/** @typedef {import('./api.js').Room} Room @typedef {import('./api.js').Message} Message */

/** Event: change, when anything is different. */
export class Rooms extends EventTarget {
  /** @type {Map<number, Room>} */
  #all = new Map();
  /** Counts the rooms that this page has added: a list that was asked for before may lack one. */
  added = 0;
  #me;

  /** @param {import('./api.js').User} me */
  constructor(me) {
    super();
    this.#me = me;
  }

  /**
   * Takes over the server's list. What has been heard since it was made counts: numbers
   * never go back.
   * @param {Room[]} list
   */
  update(list) {
    const now = new Map();
    for (const room of list) {
      const old = this.#all.get(room.id);
      now.set(room.id, old ? Object.assign(old, room, ahead(old, room)) : { ...room });
    }
    this.#all = now;
    this.#changed();
  }

  /** Adds a room that this page has made or joined. @param {Room} room */
  add(room) {
    this.added++;
    this.update([...this.#all.values(), room]);
  }

  /** Notes a change to a room's messages. @param {number} id @param {Message} message */
  heard(id, message) {
    const room = this.#all.get(id);
    if (!room) return;
    room.rev = Math.max(room.rev, message.rev);
    if (message.number > room.last) {
      room.last = message.number;
      if (message.by.id === this.#me.id) room.read = room.last; // who sends has read all
    }
    this.#changed();
  }

  /** Notes which message speaks to this user, the last one; 0: none does any more. @param {number} id @param {number} number */
  spoken(id, number) {
    const room = this.#all.get(id);
    if (!room || number === (room.spoken ?? 0)) return;
    room.spoken = number;
    this.#changed();
  }

  /**
   * Notes that all up to a message has been read; reports whether that is news. Another
   * page may have read what this one has not heard of yet.
   */
  read(id, number) {
    const room = this.#all.get(id);
    if (!room || number <= room.read) return false;
    room.read = number;
    this.#changed();
    return true;
  }

  /** @param {number} id */
  get(id) {
    return this.#all.get(id);
  }

  get ids() {
    return [...this.#all.keys()];
  }

  /** Rooms with a name, and those with one other person, both by name. */
  get lists() {
    const all = [...this.#all.values()], byName = (a, b) => nameOf(a).localeCompare(nameOf(b)) || a.id - b.id;
    return {
      rooms: all.filter(r => r.kind !== 'direct').sort(byName),
      direct: all.filter(r => r.kind === 'direct').sort(byName),
    };
  }

  get unread() {
    return [...this.#all.values()].reduce((n, r) => n + unread(r), 0);
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

const ahead = (a, b) => ({ last: Math.max(a.last, b.last), read: Math.max(a.read, b.read), rev: Math.max(a.rev, b.rev) });

/** How many messages of a room are new. @param {Room} room */
export const unread = room => Math.max(0, room.last - room.read);

/** Reports whether something unread in a room speaks to this user. @param {Room} room */
export const spokenTo = room => (room.spoken ?? 0) > room.read;

/** What a room is called. @param {Room} room */
export const nameOf = room => room.kind === 'direct' ? room.with?.name ?? '' : room.name;
