// What this user has sent and the server has not told of yet. Each has a name that was
// made here and stays with it, so what is sent again, because a connection broke before
// the reply came, is stored and shown once. It outlives a reload of the page.

/** @typedef {{id: string, room: number, text: string, at: number, state: 'sending'|'sent'|'failed', error?: string}} Item */

/** Errors of the hub after which trying again would fail again. */
const REFUSED = new Set(['forbidden', 'bad-request', 'too-large', 'not-found']);

/** Event: change. */
export class Outbox extends EventTarget {
  /** @type {Item[]} in the order in which they were sent */
  #items = [];
  #flying = new Set(); // those without a reply yet
  #live;
  #me;
  #signal;
  #shelf;
  #timer;

  /** @param {import('./live.js').Live} live @param {import('./api.js').User} me @param {AbortSignal} [signal] */
  constructor(live, me, signal) {
    super();
    this.#live = live;
    this.#me = me;
    this.#signal = signal;
    this.#shelf = shelf(`fanfare-outbox-${me.id}`);
    this.#items = this.#shelf.load([]).map(i => ({ ...i, state: i.state === 'failed' ? 'failed' : 'sending' }));
    live.addEventListener('open', () => { this.#dropStored(); this.#flush(); });
    live.addEventListener('gap', () => this.#dropStored());
  }

  /** @param {number} room @param {string} text */
  send(room, text) {
    const item = { id: newId(), room, text, at: Date.now(), state: 'sending' };
    this.#items.push(item);
    this.#changed();
    this.#publish(item);
  }

  /** Sends one again that has failed. @param {string} id */
  retry(id) {
    const item = this.#items.find(i => i.id === id);
    if (item) this.#publish(item);
  }

  /** Gives one up that has failed. @param {string} id */
  discard(id) {
    this.#items = this.#items.filter(i => i.id !== id);
    this.#changed();
  }

  /** Takes out what the server has told of. @param {import('./api.js').Message} m */
  heard(m) {
    if (m.by.id === this.#me.id && this.#items.some(i => i.id === m.id)) this.discard(m.id);
  }

  /** Returns what is on its way to a room. @param {number} room */
  of(room) {
    return this.#items.filter(i => i.room === room);
  }

  /** Forgets all, for good. */
  clear() {
    this.#items = [];
    this.#shelf.clear();
  }

  #flush() {
    for (const i of this.#items) if (i.state === 'sending') this.#publish(i);
  }

  /** Takes out what is stored: where the hub did not tell of it, it is among what was missed, and asked for. */
  #dropStored() {
    this.#items = this.#items.filter(i => i.state !== 'sent');
    this.#changed();
  }

  async #publish(item) {
    item.state = 'sending';
    delete item.error;
    this.#changed();
    if (!this.#live.isOpen || this.#flying.has(item.id)) return; // it goes with the next connection
    this.#flying.add(item.id);
    try {
      const { position } = await this.#live.publish(item.room, { id: item.id, text: item.text });
      if (position === undefined) this.discard(item.id); // it was there already, and nobody is told anew
      item.state = 'sent';
    } catch (e) {
      if (REFUSED.has(e.code)) Object.assign(item, { state: 'failed', error: e.message });
      else if (this.#live.isOpen) this.#later();
    } finally {
      this.#flying.delete(item.id);
    }
    this.#changed();
  }

  #later() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, 1000 + 2000 * Math.random());
  }

  #changed() {
    if (this.#signal?.aborted) return; // another has what is kept
    this.#shelf.save(this.#items);
    this.dispatchEvent(new Event('change'));
  }
}

/** What is kept under a name for this tab; nothing, where there is no storage, as in some private windows. */
export function shelf(name) {
  const attempt = (fn, otherwise) => {
    try {
      return fn() ?? otherwise;
    } catch {
      return otherwise;
    }
  };
  return {
    load: otherwise => attempt(() => JSON.parse(sessionStorage.getItem(name)), otherwise),
    save: value => attempt(() => sessionStorage.setItem(name, JSON.stringify(value))),
    clear: () => attempt(() => sessionStorage.removeItem(name)),
  };
}

/** Makes a name; randomUUID is there in secure contexts alone. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, '0')).join('');
}
