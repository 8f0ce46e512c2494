// The user's messages that the page has not received back from the server yet. Each has an ID made
// here. So a message that is sent again, because the connection broke before the reply, is stored
// and shown only once. The outbox survives a reload of the page.

/** @typedef {{id: string, room: number, text: string, at: number, state: 'sending'|'sent'|'failed', error?: string}} Item */

/** Error codes of the hub after which a retry would fail again. */
const REFUSED = new Set(['forbidden', 'bad-request', 'too-large', 'not-found']);

/** Event: change. */
export class Outbox extends EventTarget {
  /** @type {Item[]} in the order in which they were sent */
  #items = [];
  #inFlight = new Set(); // the IDs without a reply
  #hub;
  #me;
  #signal;
  #tabStorage;
  #timer;

  /** @param {import('./hub-connection.js').HubConnection} hub @param {import('./api.js').User} me @param {AbortSignal} [signal] */
  constructor(hub, me, signal) {
    super();
    this.#hub = hub;
    this.#me = me;
    this.#signal = signal;
    this.#tabStorage = tabStorage(`fanfare-outbox-${me.id}`);
    this.#items = this.#tabStorage.load([]).map(i => ({ ...i, state: i.state === 'failed' ? 'failed' : 'sending' }));
    hub.addEventListener('open', () => { this.#dropStored(); this.#flush(); });
    hub.addEventListener('gap', () => this.#dropStored());
  }

  /** @param {number} room @param {string} text */
  send(room, text) {
    const item = { id: newId(), room, text, at: Date.now(), state: 'sending' };
    this.#items.push(item);
    this.#changed();
    this.#publish(item);
  }

  /** Sends a failed message again. @param {string} id */
  retry(id) {
    const item = this.#items.find(i => i.id === id);
    if (item) this.#publish(item);
  }

  /** Discards a message. @param {string} id */
  discard(id) {
    this.#items = this.#items.filter(i => i.id !== id);
    this.#changed();
  }

  /** Removes a message that the server has delivered. @param {import('./api.js').Message} m */
  delivered(m) {
    if (m.by.id === this.#me.id && this.#items.some(i => i.id === m.id)) this.discard(m.id);
  }

  /** Returns the messages to a room. @param {number} room */
  of(room) {
    return this.#items.filter(i => i.room === room);
  }

  /** Deletes all messages. */
  clear() {
    this.#items = [];
    this.#tabStorage.clear();
  }

  #flush() {
    for (const i of this.#items) if (i.state === 'sending') this.#publish(i);
  }

  /** Removes messages that are stored. The page requests those that it has missed from the API. */
  #dropStored() {
    this.#items = this.#items.filter(i => i.state !== 'sent');
    this.#changed();
  }

  async #publish(item) {
    item.state = 'sending';
    delete item.error;
    this.#changed();
    if (!this.#hub.isOpen || this.#inFlight.has(item.id)) return; // the next connection sends it
    this.#inFlight.add(item.id);
    try {
      const { position } = await this.#hub.publish(item.room, { id: item.id, text: item.text });
      if (position === undefined) this.discard(item.id); // it was stored before, and is not delivered again
      item.state = 'sent';
    } catch (e) {
      if (REFUSED.has(e.code)) Object.assign(item, { state: 'failed', error: e.message });
      else if (this.#hub.isOpen) this.#later();
    } finally {
      this.#inFlight.delete(item.id);
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
    if (this.#signal?.aborted) return; // the storage belongs to another outbox now
    this.#tabStorage.save(this.#items);
    this.dispatchEvent(new Event('change'));
  }
}

/** Storage of this tab under a name. It stores nothing where there is no storage, as in some private windows. */
export function tabStorage(name) {
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

/** Makes an ID. randomUUID exists only in secure contexts. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, '0')).join('');
}
