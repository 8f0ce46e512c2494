// Sends to the server how far the user has read: one request at a time for each room, with the
// latest number only. A request that fails is repeated after the next connection, or with the next
// number.

import { api } from './api.js';

export class ReadMarks {
  #waiting = new Map(); // the number by room
  #busy = new Set();    // rooms

  /** @param {number} room @param {number} number of the last message read */
  tell(room, number) {
    this.#waiting.set(room, Math.max(number, this.#waiting.get(room) ?? 0));
    this.#send(room);
  }

  /** Repeats the requests that have failed. */
  again() {
    for (const room of this.#waiting.keys()) this.#send(room);
  }

  async #send(room) {
    if (this.#busy.has(room)) return;
    this.#busy.add(room);
    try {
      while (this.#waiting.has(room)) {
        const number = this.#waiting.get(room);
        await api.read(room, number);
        if (this.#waiting.get(room) === number) this.#waiting.delete(room);
      }
    } catch (e) {
      if (e.status === 404) this.#waiting.delete(room); // the user has left the room
    } finally {
      this.#busy.delete(room);
    }
  }
}
