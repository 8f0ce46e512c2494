// The messages of one room that are at hand: a part of it without gaps, kept up to date.
// No nodes here.
//
// Numbers of messages have no gaps, so the part is said by its first and its last one.
// It is at most so long; what is beyond either end is asked for when it is needed. Nor do
// the revisions of a room have gaps: whoever hears one that is not the next has missed
// some, and asks for the changes since.

import { api } from './api.js';

/** @typedef {import('./api.js').Message} Message */

const PAGE = 50;
const MAX = 200;
const MISSED = 1000; // changes; who has missed more begins anew

/** Events: change; got {detail: Message[]}, messages that were asked for; trouble, when they could not be loaded. */
export class Timeline extends EventTarget {
  /** @type {Message[]} by number */
  messages = [];
  /** The end of the part is the end of the room. */
  latest = false;
  /** What went wrong when messages were loaded last. @type {Error|null} */
  trouble = null;
  loaded = false;
  #room;
  #rev = 0;          // all changes up to it are known, where they matter to the part
  #part = 0;         // counts how often another part was taken
  #loading = null;   // the request that runs
  #meanwhile = [];   // what was heard since it began
  #syncing = null;
  #behind = false;

  /** @param {import('./api.js').Room} room whose rev and last are kept up to date by others */
  constructor(room) {
    super();
    this.#room = room;
  }

  get first() {
    return this.messages[0]?.number ?? 1;
  }

  get last() {
    return this.messages.at(-1)?.number ?? 0;
  }

  /** @param {number} number @returns {Message|undefined} */
  get(number) {
    return this.messages[number - this.first];
  }

  /** Messages are on their way: a "got" event follows, or "trouble". */
  get busy() {
    return this.#loading !== null || this.#syncing !== null;
  }

  /** Takes the latest messages. */
  open() {
    return this.#take(undefined, PAGE, ms => ({ messages: ms, latest: true }));
  }

  /** Takes those around a message. @param {number} number */
  async around(number) {
    if (this.get(number)) return;
    await this.#take(number + PAGE / 2, PAGE, ms => ({ messages: ms, latest: (ms.at(-1)?.number ?? 0) >= this.#room.last }));
  }

  /** Adds a page before the part, if there is one. */
  async older() {
    if (!this.loaded || this.#loading || this.first <= 1) return;
    await this.#load(this.first, PAGE, ms => {
      this.messages.unshift(...ms.filter(m => m.number < this.first));
      this.trim('newest');
    });
  }

  /** Adds a page after the part, if there is one. */
  async newer() {
    if (!this.loaded || this.#loading || this.latest) return;
    await this.#load(this.last + PAGE + 1, PAGE, ms => {
      this.messages.push(...ms.filter(m => m.number > this.last));
      this.latest = this.last >= this.#room.last;
      this.trim('oldest');
    });
  }

  /** Cuts the part to its length at one end. @param {'oldest'|'newest'} end */
  trim(end) {
    const over = this.messages.length - MAX;
    if (over <= 0) return false;
    if (end === 'oldest') {
      this.messages.splice(0, over);
    } else {
      this.messages.splice(-over);
      this.latest = false;
    }
    return true;
  }

  /** Takes a change that the server has told of. @param {Message} m */
  hear(m) {
    if (this.#loading) this.#meanwhile.push(m);
    if (!this.loaded || m.rev <= this.#rev) return;
    if (m.rev > this.#rev + 1) return void this.sync();
    this.#rev = m.rev;
    this.#place(m);
    this.#changed();
  }

  /** Asks for the changes that were missed, up to the room's revision. */
  sync() {
    this.#behind = true;
    this.#syncing ??= this.#catchUp().finally(() => { this.#syncing = null; });
    return this.#syncing;
  }

  /** Asks for them if there are any. */
  check() {
    if (this.loaded && this.#room.rev > this.#rev) this.sync();
  }

  async #catchUp() {
    const part = this.#part;
    while (this.#behind && part === this.#part) {
      this.#behind = false;
      let all = [], rev = this.#rev, more = true;
      while (more) {
        const page = await api.changes(this.#room.id, rev).catch(() => null); // the next connection asks again
        if (!page || part !== this.#part) return;
        all = all.concat(page.messages);
        rev = page.messages.at(-1)?.rev ?? rev;
        more = page.more;
        if (all.length > MISSED) return void this.open();
      }
      this.#rev = Math.max(this.#rev, rev);
      for (const m of all.sort((a, b) => a.number - b.number)) this.#place(m);
      this.#got(all);
    }
  }

  /** Puts a message where it stands, if that is in the part or follows it. */
  #place(m) {
    const old = this.get(m.number);
    if (old) {
      if (m.rev > old.rev) this.messages[m.number - this.first] = m;
    } else if (this.latest && m.number === this.last + 1) {
      this.messages.push(m);
    }
  }

  async #take(before, limit, part) {
    const rev = this.#room.rev;
    this.#part++;
    await this.#load(before, limit, ms => {
      Object.assign(this, part(ms));
      this.#rev = rev; // the answer is at least as new
      this.loaded = true;
    });
  }

  async #load(before, limit, add) {
    const part = this.#part, run = this.#loading = {};
    this.#meanwhile = [];
    this.trouble = null;
    let got = [];
    try {
      const { messages } = await api.messages(this.#room.id, before, limit);
      if (part !== this.#part || run !== this.#loading) return;
      add(messages);
      for (const m of this.#meanwhile) this.#place(m); // the answer may be older than these
      this.#loading = null;
      for (const m of this.#meanwhile) this.hear(m);
      this.check();
      got = [...messages, ...this.#meanwhile];
    } catch (e) {
      if (run !== this.#loading) return;
      this.trouble = e;
      this.dispatchEvent(new Event('trouble'));
    } finally {
      if (run === this.#loading) this.#loading = null;
    }
    this.#got(got);
  }

  #got(messages) {
    this.dispatchEvent(new CustomEvent('got', { detail: messages }));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
