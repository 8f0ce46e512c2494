// The connection to the hub: who is there, what changes, what is sent.

import { Fanfare } from '/fanfare.js';

const OPTIONS = { minDelay: 400, maxDelay: 5000, pingInterval: 15_000, timeout: 8000 };
const TYPING = 6000; // ms after which who was typing is not any more

/**
 * Events:
 *   open                            it is connected, for the first time or again
 *   lost                            it is not, and tries again
 *   refused                         an attempt failed before it was open
 *   ended     {code, reason}        it is over for good
 *   message   {room, message}       a change in one of the rooms
 *   stale                           the list of rooms may be old
 *   gap                             not all was told that happened in a room
 *   read      {room, number}        this user has read, elsewhere
 *   here                            who is in the open room has changed
 *   typing                          who is typing there has
 */
export class Live extends EventTarget {
  /** Who is in the open room. @type {{id: number, name: string}[]} */
  here = [];
  #f;
  #me;
  #rooms = new Map(); // subscriptions by the room's id
  #here = null;
  #typing = new Map(); // {name, timer} by user
  #told = 0;           // when this user was last said to be typing

  /** @param {import('./api.js').User} me */
  constructor(me) {
    super();
    this.#me = me;
    let opened = false;
    const f = this.#f = new Fanfare('/hub', OPTIONS);
    f.on('open', ({ user }) => {
      opened = true;
      if (user !== `u${me.id}`) return location.reload(); // another tab has logged somebody else in
      this.#emit('open');
    });
    f.on('close', ({ code, reason, retry }) => {
      this.#emit(retry === null ? 'ended' : opened ? 'lost' : 'refused', { code, reason });
      opened = false;
      this.#nobodyTypes();
    });
    f.on('message', ({ message }) => {
      if (message.rooms) this.#emit('stale');
      if (message.read) this.#emit('read', message.read);
    });
    f.on('error', () => this.#emit('stale')); // of a subscription: not in that room any more
  }

  get isOpen() {
    return this.#f.state === 'open';
  }

  /** Listens to exactly these rooms. @param {number[]} ids */
  watch(ids) {
    if (this.#f.state === 'closed') return;
    for (const [id, sub] of this.#rooms) if (!ids.includes(id)) this.#drop(id, sub);
    for (const id of ids) if (!this.#rooms.has(id)) this.#add(id);
  }

  #drop(id, sub) {
    sub.unsubscribe();
    this.#rooms.delete(id);
  }

  #add(id) {
    const sub = this.#f.subscribe(`room.${id}`, ({ message }) => message && this.#emit('message', { room: id, message }));
    this.#rooms.set(id, sub);
    // What was said between the list and the beginning, or in a gap, is in the next list.
    sub.on('live', ({ again }) => again || this.#emit('stale'));
    sub.on('gap', () => { this.#emit('gap'); this.#emit('stale'); });
    const over = () => {
      if (this.#rooms.get(id) === sub) this.#rooms.delete(id);
      this.#emit('stale');
    };
    sub.on('end', over);
    sub.on('error', over);
  }

  /** Goes into a room, where others see this user; null: into none. @param {number|null} id */
  enter(id) {
    this.#here?.unsubscribe();
    this.#here = null;
    this.#told = 0;
    this.#nobodyTypes();
    this.#seeHere([]);
    if (id === null || this.#f.state === 'closed') return;
    const sub = this.#here = this.#f.subscribe(`here.${id}`, { presence: true }, m => m.typing && this.#heardTyping(m.typing));
    sub.on('presence', () => this.#seeHere([...sub.present.values()]));
    sub.on('error', () => this.#emit('stale'));
  }

  #seeHere(people) {
    this.here = people.map(p => ({ id: Number(p.id.slice(1)), name: p.data?.name ?? p.id }));
    this.#emit('here');
  }

  /** Publishes to a room; the promise is kept when it is stored. @param {number} room @param {object} data */
  publish(room, data) {
    return this.#f.publish(`room.${room}`, data, { echo: true, retry: true });
  }

  /** Says that this user is typing, now and then, or is not any more. @param {boolean} on */
  type(on) {
    if (!this.#here || !this.isOpen) return;
    const now = Date.now();
    if (on ? now - this.#told < TYPING / 2 : this.#told === 0) return;
    this.#told = on ? now : 0;
    this.#f.publish(this.#here.topic, { typing: on }).catch(() => {}); // nobody misses it
  }

  /** The names of those who are typing. */
  get typing() {
    return [...this.#typing.values()].map(t => t.name);
  }

  #heardTyping({ id, name, on }) {
    if (id === this.#me.id) return;
    this.#stopTyping(id);
    if (on) this.#typing.set(id, { name, timer: setTimeout(() => { this.#stopTyping(id); this.#emit('typing'); }, TYPING) });
    this.#emit('typing');
  }

  #stopTyping(id) {
    clearTimeout(this.#typing.get(id)?.timer);
    this.#typing.delete(id);
  }

  /** Takes somebody from those who type, since what they typed has come. @param {number} id */
  said(id) {
    if (!this.#typing.has(id)) return;
    this.#stopTyping(id);
    this.#emit('typing');
  }

  #nobodyTypes() {
    for (const id of [...this.#typing.keys()]) this.#stopTyping(id);
    this.#emit('typing');
  }

  close() {
    this.#f.close();
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
