// Who is spoken to: @name. A name may have spaces, so one's own is known by heart, and of
// others' it is the first word.

import { el } from './dom.js';

/** @typedef {{name: string}} Me */

/** A letter or digit of a script that puts spaces between words; v is the flag to use it with. */
export const LETTER = '[[\\p{L}\\p{M}\\p{N}]--[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Thai}]]';

/** What a mention begins with; an address of mail has something before it. */
export const AT = '(?<![\\w.+\\/\\-@])@';

const WORD = /^[\p{L}\p{M}\p{N}]+(?:[._\-][\p{L}\p{M}\p{N}]+)*/v;

/** Returns what follows an @ as a node, and its length with the @. @param {string} after begins with a letter or digit @param {Me} me @returns {[Node, number]} */
export function mention(after, me) {
  const own = after.match(new RegExp(`^${pattern(me)}`, 'iv'))?.[0], name = own ?? after.match(WORD)?.[0] ?? '';
  return [el('span', { class: own ? 'mention me' : 'mention' }, '@', el('bdi', {}, name)), name.length + 1];
}

/** Reports whether a text speaks to somebody. @param {string} text @param {Me} me */
export const mentions = (text, me) => new RegExp(AT + pattern(me), 'iv').test(text);

/** Matches a name, however its accents are typed, and no longer one. */
function pattern({ name }) {
  const forms = ['NFC', 'NFD'].map(form => name.normalize(form).replace(/[\\^$.*+?()[\]{}|\/]/g, '\\$&')); // v allows no others to be escaped
  return `(?:${forms.join('|')})(?!${LETTER}|[._\\-]${LETTER})`;
}
