// Shows the state of the connection.

import { $, toast } from './ui-dom.js';

const GRACE = 700; // ms before a loss is shown, since most are repaired by then

const TRY_LATER = 1013; // a close code

const OFFLINE = 'This device is offline. Your messages will be sent when it is back online.';

export class Status {
  #timer;
  #problem = ''; // why there is no connection
  #lost = false; // the loss has been shown

  /** @param {import('./hub-connection.js').HubConnection} hub @param {AbortSignal} signal */
  constructor(hub, signal) {
    const on = (from, name, fn) => from.addEventListener(name, fn, { signal });
    on(hub, 'open', () => this.#open());
    on(hub, 'lost', () => this.#closed());
    on(hub, 'refused', e => this.#closed(e.detail));
    on(globalThis, 'offline', () => this.#say(OFFLINE));
    on(globalThis, 'online', () => hub.isOpen && this.#open());
    signal.addEventListener('abort', () => this.#clear());
    $('my-state').textContent = 'connecting …';
  }

  #open() {
    this.#clear();
    $('my-state').textContent = 'connected';
    if (this.#lost) toast('Reconnected.');
    this.#lost = false;
  }

  /** code is TRY_LATER if the server itself gives the reason, for example that there are too many connections. */
  #closed({ code, reason } = {}) {
    this.#problem = code === TRY_LATER && reason ? `The server refuses the connection: ${reason}.` : 'Connection lost.';
    $('my-state').textContent = 'not connected';
    if (this.#lost) this.#sayProblem();
    else this.#timer ??= setTimeout(() => this.#sayProblem(), GRACE);
  }

  #sayProblem() {
    this.#say(`${this.#problem} Reconnecting … Your messages will be sent when the connection is back.`);
  }

  #say(words) {
    this.#lost = true;
    $('banner').textContent = navigator.onLine ? words : OFFLINE;
  }

  #clear() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    $('banner').textContent = '';
  }
}
