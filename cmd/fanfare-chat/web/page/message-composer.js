// The field in which messages are written and edited.

import { $, composing, icon, isolated } from './ui-dom.js';

const MAX = 8000; // bytes of UTF-8

/**
 * Events: send {room, text}; edit {room, number, was, text}; typing {on}; and up, to edit
 * the user's last message.
 */
export class Composer extends EventTarget {
  #text = $('text');
  #room = null;
  #drafts;
  #draft = { text: '' }; // of the open room

  /** @param {import('./message-drafts.js').Drafts} drafts @param {AbortSignal} signal */
  constructor(drafts, signal) {
    super();
    this.#drafts = drafts;
    const on = (e, name, fn) => e.addEventListener(name, fn, { signal });
    $('send').replaceChildren(icon('send'));
    on($('composer'), 'submit', e => { e.preventDefault(); this.#submit(); });
    on($('edit-cancel'), 'click', () => this.cancel());
    on(this.#text, 'keydown', e => this.#key(e));
    on(this.#text, 'input', () => this.#input());
    on(this.#text, 'blur', () => this.#emit('typing', { on: false }));
    this.#show();
  }

  /** Switches to a room. @param {number} room @param {string} name for the label */
  open(room, name) {
    this.#room = room;
    this.#draft = this.#drafts.get(room);
    this.#text.placeholder = `Message ${isolated(name)}`;
    this.#text.setAttribute('aria-label', `Message ${name}`);
    this.#show();
  }

  focus() {
    this.#text.focus();
  }

  /** Starts to edit a message of the open room. @param {import('./api.js').Message} m */
  edit(m) {
    this.#change({ number: m.number, was: m.text, text: m.text });
    this.focus();
    this.#text.setSelectionRange(m.text.length, m.text.length);
  }

  /** Resumes an edit that has failed, unless another message is being edited. @param {number} room @param {import('./message-drafts.js').Draft['edit']} edit */
  restore(room, edit) {
    const draft = this.#drafts.get(room);
    if (draft.edit) return;
    if (room === this.#room) this.#change(edit);
    else this.#drafts.set(room, { ...draft, edit });
  }

  #change(edit) {
    this.#draft.edit = edit;
    this.#keep();
    this.#show();
  }

  /** Cancels an edit; reports whether there was one. */
  cancel() {
    if (!this.#draft.edit) return false;
    delete this.#draft.edit;
    this.#show();
    this.#keep();
    return true;
  }

  #keep() {
    this.#drafts.set(this.#room, this.#draft);
  }

  #show() {
    const { edit, text } = this.#draft;
    $('editing').hidden = !edit;
    this.#text.value = edit?.text ?? text;
    this.#say('');
    this.#grow();
  }

  #key(e) {
    if (composing(e)) return;
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      this.#submit();
    } else if (e.key === 'ArrowUp' && this.#text.value === '' && !this.#draft.edit) {
      e.preventDefault();
      this.#emit('up');
    } else if (e.key === 'Escape' && this.cancel()) {
      e.stopPropagation();
    }
  }

  #input() {
    const { edit } = this.#draft, text = this.#text.value;
    if (edit) edit.text = text;
    else this.#draft.text = text;
    this.#keep();
    this.#grow();
    this.#say('');
    if (!edit) this.#emit('typing', { on: text.trim() !== '' });
  }

  #submit() {
    const text = clean(this.#text.value), over = new TextEncoder().encode(text).length - MAX;
    if (over > 0) return this.#say(`The message is ${over} bytes too long: at most ${MAX} are allowed. Please send it in parts.`);
    const { edit } = this.#draft, room = this.#room;
    if (text === '') return edit ? this.#say('A message cannot be empty. To remove it, delete it.') : undefined;
    if (edit) {
      this.cancel();
      if (text !== edit.was) this.#emit('edit', { room, number: edit.number, was: edit.was, text });
    } else {
      this.#draft = { text: '' };
      this.#keep();
      this.#show();
      this.#emit('typing', { on: false });
      this.#emit('send', { room, text });
    }
  }

  #say(words) {
    $('text-error').textContent = words;
  }

  /** Fits the height of the field to its text, up to the maximum in the style sheet. */
  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Trims a text and removes control characters, which are not allowed and may come from pasted text. */
const clean = text => text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '').trim();
