// Drafts of messages, by room. They survive a reload of the page and the end of a login, in the
// same tab.

import { tabStorage } from './outbox.js';

/** @typedef {{text: string, edit?: {number: number, was: string, text: string}}} Draft */

export class Drafts {
  #tabStorage;
  #all;

  /** @param {import('./api.js').User} me */
  constructor(me) {
    this.#tabStorage = tabStorage(`fanfare-drafts-${me.id}`);
    this.#all = new Map(this.#tabStorage.load([]));
  }

  /** @param {number} room @returns {Draft} */
  get(room) {
    return this.#all.get(room) ?? { text: '' };
  }

  /** @param {number} room @param {Draft} draft */
  set(room, draft) {
    if (draft.text === '' && !draft.edit) this.#all.delete(room);
    else this.#all.set(room, draft);
    this.#tabStorage.save([...this.#all]);
  }

  /** Deletes all drafts. */
  clear() {
    this.#all.clear();
    this.#tabStorage.clear();
  }
}
