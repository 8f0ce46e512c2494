// Finds unread messages that mention the user. The page receives new messages as they are sent, and
// searches for older ones.

import { api } from './api.js';
import { mentions } from './text-mentions.js';
import { unread } from './rooms.js';

export class Mentioned {
  #rooms;
  #me;
  #signal;
  #looked = new Map(); // by room: the last message that has been examined
  #looking = false;

  /** @param {import('./rooms.js').Rooms} rooms @param {import('./api.js').User} me @param {AbortSignal} signal */
  constructor(rooms, me, signal) {
    this.#rooms = rooms;
    this.#me = me;
    this.#signal = signal;
  }

  /** @param {number} id @param {import('./api.js').Message} m */
  examine(id, m) {
    if (this.#looked.get(id) === m.number - 1) this.#looked.set(id, m.number);
    const room = this.#rooms.get(id);
    if (m.by.id !== this.#me.id && mentions(m.text, this.#me)) this.#rooms.mentioned(id, Math.max(m.number, room?.mentioned ?? 0));
    else if (room?.mentioned === m.number) this.#rooms.mentioned(id, 0);
  }

  /** Searches the rooms with unread messages, one after the other. */
  async look() {
    if (this.#looking) return;
    this.#looking = true;
    for (const id of this.#rooms.ids) {
      if (this.#signal.aborted) return;
      const room = this.#rooms.get(id);
      if (room && room.kind !== 'direct' && unread(room) > 0 && this.#looked.get(id) !== room.last) await this.#lookIn(room);
    }
    this.#looking = false;
  }

  async #lookIn(room) {
    const { last } = room;
    const { messages } = await api.search(room.id, this.#me.name).catch(() => ({ messages: null })); // the next connection searches again
    if (!messages) return;
    this.#looked.set(room.id, last);
    const found = messages.find(m => m.number > room.read && m.by.id !== this.#me.id && mentions(m.text, this.#me));
    if (found) this.#rooms.mentioned(room.id, Math.max(found.number, room.mentioned ?? 0));
  }
}
