// Whether there is a connection, in words.

import { $, toast } from './dom.js';

const PATIENCE = 700; // ms for which a loss is nobody's business, as most heal by then

export class Status {
  #timer;
  #lost = false; // and it was said

  /** @param {import('./live.js').Live} live @param {AbortSignal} signal */
  constructor(live, signal) {
    const on = (from, name, fn) => from.addEventListener(name, fn, { signal });
    on(live, 'open', () => this.#open());
    on(live, 'lost', () => this.#closed());
    on(live, 'refused', () => this.#closed());
    on(globalThis, 'offline', () => this.#say('This device is offline. What you write is sent when it is back.'));
    on(globalThis, 'online', () => live.isOpen && this.#open());
    signal.addEventListener('abort', () => this.#clear());
    $('my-state').textContent = 'connecting …';
  }

  #open() {
    this.#clear();
    $('my-state').textContent = 'connected';
    if (this.#lost) toast('Connected again.');
    this.#lost = false;
  }

  #closed() {
    $('my-state').textContent = 'not connected';
    this.#timer ??= setTimeout(() => this.#say('Connection lost – trying again. What you write is sent as soon as it is back.'), PATIENCE);
  }

  #say(words) {
    this.#lost = true;
    $('banner').textContent = navigator.onLine ? words : 'This device is offline. What you write is sent when it is back.';
  }

  #clear() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    $('banner').textContent = '';
  }
}
