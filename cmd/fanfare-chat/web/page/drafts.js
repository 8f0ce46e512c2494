// What is being written, by room. It outlives a reload of the page, and the end of a
// login, in this tab.

import { shelf } from './outbox.js';

/** @typedef {{text: string, edit?: {number: number, was: string, text: string}}} Draft */

export class Drafts {
  #shelf;
  #all;

  /** @param {import('./api.js').User} me */
  constructor(me) {
    this.#shelf = shelf(`fanfare-drafts-${me.id}`);
    this.#all = new Map(this.#shelf.load([]));
  }

  /** @param {number} room @returns {Draft} */
  get(room) {
    return this.#all.get(room) ?? { text: '' };
  }

  /** @param {number} room @param {Draft} draft */
  set(room, draft) {
    if (draft.text === '' && !draft.edit) this.#all.delete(room);
    else this.#all.set(room, draft);
    this.#shelf.save([...this.#all]);
  }

  /** Forgets all, for good. */
  clear() {
    this.#all.clear();
    this.#shelf.clear();
  }
}
