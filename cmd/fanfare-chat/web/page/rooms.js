// The model of the user's rooms and their unread messages.

/** @typedef {import('./api.js').Room} Room @typedef {import('./api.js').Message} Message */

/** Event: change. */
export class Rooms extends EventTarget {
  /** @type {Map<number, Room>} */
  #all = new Map();
  /** Counts the rooms that this page has added: a list requested before may not have the last one. */
  added = 0;
  #me;

  /** @param {import('./api.js').User} me */
  constructor(me) {
    super();
    this.#me = me;
  }

  /**
   * Adopts the server's list. Events may have been newer than the list: numbers never decrease.
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

  /** Adds a room that this page has created or joined. @param {Room} room */
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
      if (message.by.id === this.#me.id) room.read = room.last; // the sender of a message has read all before it
    }
    this.#changed();
  }

  /** Notes the last message that mentions the user; 0: none. @param {number} id @param {number} number */
  mentioned(id, number) {
    const room = this.#all.get(id);
    if (!room || number === (room.mentioned ?? 0)) return;
    room.mentioned = number;
    this.#changed();
  }

  /**
   * Notes that the messages up to a number have been read; reports whether that is new. Another
   * page may have read messages that this page has not received yet.
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

  /** The rooms with a name, and the direct rooms, both sorted by name. */
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

/** Returns the number of unread messages. @param {Room} room */
export const unread = room => Math.max(0, room.last - room.read);

/** Reports whether an unread message mentions the user. @param {Room} room */
export const isMentioned = room => (room.mentioned ?? 0) > room.read;

/** Returns the name that is shown for a room. @param {Room} room */
export const nameOf = room => room.kind === 'direct' ? room.with?.name ?? '' : room.name;
