// Where messages are written, and changed.

import { $, icon } from './dom.js';

const MOST = 8000; // bytes of UTF-8

/** Events: send and edit {number, text}, typing {on}, and up: the last message is to be changed. */
export class Composer extends EventTarget {
  #text = $('text');
  #room = null;
  #drafts = new Map(); // by room: what was being written
  #editing = null;     // the message that is changed

  /** @param {AbortSignal} signal */
  constructor(signal) {
    super();
    const on = (e, name, fn) => e.addEventListener(name, fn, { signal });
    $('send').replaceChildren(icon('send'));
    on($('composer'), 'submit', e => { e.preventDefault(); this.#submit(); });
    on($('edit-cancel'), 'click', () => this.cancel());
    on(this.#text, 'keydown', e => this.#key(e));
    on(this.#text, 'input', () => this.#input());
    on(this.#text, 'blur', () => this.#emit('typing', { on: false }));
    this.#set('');
  }

  /** Turns to a room. @param {number} room @param {string} name how it is called, for the label */
  open(room, name) {
    this.cancel();
    if (this.#room !== null) this.#drafts.set(this.#room, this.#text.value);
    this.#room = room;
    this.#text.placeholder = `Message ${name}`;
    this.#text.setAttribute('aria-label', `Message ${name}`);
    this.#set(this.#drafts.get(room) ?? '');
  }

  focus() {
    this.#text.focus();
  }

  /** Has a message changed. @param {import('./api.js').Message} m */
  edit(m) {
    if (!this.#editing) this.#drafts.set(this.#room, this.#text.value);
    this.#editing = m;
    $('editing').hidden = false;
    this.#set(m.text);
    this.focus();
    this.#text.setSelectionRange(m.text.length, m.text.length);
  }

  /** Gives up changing one; reports whether there was one. */
  cancel() {
    if (!this.#editing) return false;
    this.#editing = null;
    $('editing').hidden = true;
    this.#set(this.#drafts.get(this.#room) ?? '');
    return true;
  }

  #set(text) {
    this.#text.value = text;
    this.#say('');
    this.#grow();
  }

  #key(e) {
    if (e.isComposing) return;
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      this.#submit();
    } else if (e.key === 'ArrowUp' && this.#text.value === '' && !this.#editing) {
      e.preventDefault();
      this.#emit('up');
    } else if (e.key === 'Escape' && this.cancel()) {
      e.stopPropagation();
    }
  }

  #input() {
    this.#grow();
    this.#say('');
    if (!this.#editing) this.#emit('typing', { on: this.#text.value.trim() !== '' });
  }

  #submit() {
    const text = clean(this.#text.value), over = new TextEncoder().encode(text).length - MOST;
    if (over > 0) return this.#say(`This is too long, by ${over} of ${MOST} bytes. Please send it in parts.`);
    const m = this.#editing;
    if (text === '') return m ? this.#say('To take a message back, delete it.') : undefined;
    if (m) {
      this.cancel();
      if (text !== m.text) this.#emit('edit', { number: m.number, text });
    } else {
      this.#set('');
      this.#emit('typing', { on: false });
      this.#emit('send', { text });
    }
  }

  #say(words) {
    $('text-error').textContent = words;
  }

  /** Makes the field as high as its text, up to what the style sheet allows. */
  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Trims a text, and takes out control characters, which are not allowed, as pasted ones may have. */
const clean = text => text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').trim();
