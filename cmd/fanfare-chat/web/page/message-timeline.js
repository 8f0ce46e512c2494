// The loaded messages of one room: a contiguous part, kept up to date.
//
// Message numbers have no gaps, so the first and last message determine the part. Its length is
// bounded; messages beyond either end are loaded when they are needed. Revisions of a room have no
// gaps either: a client that receives a revision other than the next has missed some, and requests
// the changes since.

import { api } from './api.js';

/** @typedef {import('./api.js').Message} Message */

const PAGE = 50;
const MAX = 200;
const MISSED = 1000; // missed changes above which the part is loaded anew

/** Events: change; got {detail: Message[]}, when messages were loaded; trouble, when loading has failed. */
export class Timeline extends EventTarget {
  /** @type {Message[]} by number */
  messages = [];
  /** Whether the part extends to the end of the room. */
  latest = false;
  /** The error of the last attempt to load messages. @type {Error|null} */
  trouble = null;
  loaded = false;
  #room;
  #rev = 0;          // all changes up to this revision that concern the part are known
  #part = 0;         // counts the replacements of the part
  #loading = null;   // identifies the current request
  #meanwhile = [];   // messages received since it started
  #syncing = null;
  #behind = false;

  /** @param {import('./api.js').Room} room whose rev and last the caller keeps up to date */
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

  /** Whether messages are being loaded: a "got" or "trouble" event follows. */
  get busy() {
    return this.#loading !== null || this.#syncing !== null;
  }

  /** Loads the latest messages. */
  open() {
    return this.#take(undefined, PAGE, ms => ({ messages: ms, latest: true }));
  }

  /** Loads the messages around a number. @param {number} number */
  async around(number) {
    if (this.get(number)) return;
    await this.#take(number + PAGE / 2, PAGE, ms => ({ messages: ms, latest: (ms.at(-1)?.number ?? 0) >= this.#room.last }));
  }

  /** Loads the page before the part, if there is one. */
  async older() {
    if (!this.loaded || this.#loading || this.first <= 1) return;
    await this.#load(this.first, PAGE, ms => {
      this.messages.unshift(...ms.filter(m => m.number < this.first));
      this.trim('newest');
    });
  }

  /** Loads the page after the part, if there is one. */
  async newer() {
    if (!this.loaded || this.#loading || this.latest) return;
    await this.#load(this.last + PAGE + 1, PAGE, ms => {
      this.messages.push(...ms.filter(m => m.number > this.last));
      this.latest = this.last >= this.#room.last;
      this.trim('oldest');
    });
  }

  /** Shortens the part to its maximum length at one end. @param {'oldest'|'newest'} end */
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

  /** Applies a change that the server has sent. @param {Message} m */
  apply(m) {
    if (this.#loading) this.#meanwhile.push(m);
    if (!this.loaded || m.rev <= this.#rev) return;
    if (m.rev > this.#rev + 1) return void this.sync();
    this.#rev = m.rev;
    this.#place(m);
    this.#changed();
  }

  /** Requests the changes that were missed, up to the room's revision. */
  sync() {
    this.#behind = true;
    this.#syncing ??= this.#catchUp().finally(() => { this.#syncing = null; });
    return this.#syncing;
  }

  /** Requests missed changes, if there are any. */
  check() {
    if (this.loaded && this.#room.rev > this.#rev) this.sync();
  }

  async #catchUp() {
    const part = this.#part;
    while (this.#behind && part === this.#part) {
      this.#behind = false;
      let all = [], rev = this.#rev, more = true;
      while (more) {
        const page = await api.changes(this.#room.id, rev).catch(() => null); // the next connection requests them again
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

  /** Puts a message in its place, if that is in the part or directly after it. */
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
      this.#rev = rev; // the response is at least as recent
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
      for (const m of this.#meanwhile) this.#place(m); // the response may be older than these
      this.#loading = null;
      for (const m of this.#meanwhile) this.apply(m);
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
