// The connection to the hub: messages, presence and typing notices.

import { Fanfare } from '/fanfare.js';

const OPTIONS = { minDelay: 400, maxDelay: 5000, pingInterval: 15_000, timeout: 8000 };
const TYPING = 6000; // ms after which a typing notice expires

/**
 * Events:
 *   open                            connected, for the first time or again
 *   lost                            the connection is lost; the client reconnects
 *   refused                         an attempt to connect has failed
 *   ended     {code, reason}        the server has rejected the client for good
 *   message   {room, message}       a new or changed message in one of the rooms
 *   stale                           the list of rooms may be out of date
 *   gap                             messages of a room were missed
 *   read      {room, number}        another page of the user has marked messages as read
 *   here                            the people in the open room have changed
 *   typing                          the people typing in the open room have changed
 */
export class HubConnection extends EventTarget {
  /** The people in the open room. @type {{id: number, name: string}[]} */
  here = [];
  #f;
  #me;
  #rooms = new Map(); // subscriptions by the room's id
  #here = null;
  #typing = new Map(); // {name, timer} by user
  #typingSent = 0;     // when this user's last typing notice was sent; 0: not typing

  /** @param {import('./api.js').User} me */
  constructor(me) {
    super();
    this.#me = me;
    let opened = false;
    const f = this.#f = new Fanfare('/hub', OPTIONS);
    f.on('open', ({ user }) => {
      opened = true;
      if (user !== `u${me.id}`) return location.reload(); // another user has logged in, in another tab
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
    f.on('error', () => this.#emit('stale')); // of a subscription: the user is no longer a member
  }

  get isOpen() {
    return this.#f.state === 'open';
  }

  /** Subscribes to these rooms and to no others. @param {number[]} ids */
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
    // The next list of rooms covers messages between the last list and the start of the
    // subscription, and messages in a gap.
    sub.on('live', ({ again }) => again || this.#emit('stale'));
    sub.on('gap', () => { this.#emit('gap'); this.#emit('stale'); });
    const over = () => {
      if (this.#rooms.get(id) === sub) this.#rooms.delete(id);
      this.#emit('stale');
    };
    sub.on('end', over);
    sub.on('error', over);
  }

  /** Enters a room, where others see the user as present; null: leaves the current one. @param {number|null} id */
  enter(id) {
    this.#here?.unsubscribe();
    this.#here = null;
    this.#typingSent = 0;
    this.#nobodyTypes();
    this.#setHere([]);
    if (id === null || this.#f.state === 'closed') return;
    const sub = this.#here = this.#f.subscribe(`here.${id}`, { presence: true }, m => m.typing && this.#onTyping(m.typing));
    sub.on('presence', () => this.#setHere([...sub.present.values()]));
    sub.on('error', () => this.#emit('stale'));
  }

  #setHere(people) {
    this.here = people.map(p => ({ id: Number(p.id.slice(1)), name: p.data?.name ?? p.id }));
    this.#emit('here');
  }

  /** Publishes to a room; the promise resolves when the message is stored. @param {number} room @param {object} data */
  publish(room, data) {
    return this.#f.publish(`room.${room}`, data, { echo: true, retry: true });
  }

  /** Sends a notice that the user is typing, at most every 3 s, or has stopped. @param {boolean} on */
  type(on) {
    if (!this.#here || !this.isOpen) return;
    const now = Date.now();
    if (on ? now - this.#typingSent < TYPING / 2 : this.#typingSent === 0) return;
    this.#typingSent = on ? now : 0;
    this.#f.publish(this.#here.topic, { typing: on }).catch(() => {}); // a lost notice does no harm
  }

  /** The names of the people who are typing. */
  get typing() {
    return [...this.#typing.values()].map(t => t.name);
  }

  #onTyping({ id, name, on }) {
    if (id === this.#me.id) return;
    this.#stopTyping(id);
    if (on) this.#typing.set(id, { name, timer: setTimeout(() => { this.#stopTyping(id); this.#emit('typing'); }, TYPING) });
    this.#emit('typing');
  }

  #stopTyping(id) {
    clearTimeout(this.#typing.get(id)?.timer);
    this.#typing.delete(id);
  }

  /** Notes that a user has stopped typing, because their message has arrived. @param {number} id */
  typingStopped(id) {
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
