// How far this user has read, on its way to the server: one request for each room at a
// time, and the latest mark alone. One that fails goes with the next connection, or with
// the next mark.

import { api } from './api.js';

export class Marks {
  #waiting = new Map(); // the number by room
  #busy = new Set();    // rooms

  /** @param {number} room @param {number} number of the last message that was seen */
  tell(room, number) {
    this.#waiting.set(room, Math.max(number, this.#waiting.get(room) ?? 0));
    this.#send(room);
  }

  /** Tells what could not be told before. */
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
      if (e.status === 404) this.#waiting.delete(room); // this user has left it
    } finally {
      this.#busy.delete(room);
    }
  }
}
