// Mentions: @name. A name may have spaces. The page knows the whole name of its own user; of any
// other name it marks the first word.

import { el } from './ui-dom.js';

/** @typedef {{name: string}} Me */

/** A letter or digit of a script with spaces between words, for a regular expression with the flag v. */
export const LETTER = '[[\\p{L}\\p{M}\\p{N}]--[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Thai}]]';

/** The start of a mention. In a mail address the @ follows another character. */
export const AT = '(?<![\\w.+\\/\\-@])@';

const WORD = /^[\p{L}\p{M}\p{N}]+(?:[._\-][\p{L}\p{M}\p{N}]+)*/v;

/** Makes a node of the name after an @, and returns it with its length including the @. @param {string} after begins with a letter or digit @param {Me} me @returns {[Node, number]} */
export function mention(after, me) {
  const own = after.match(new RegExp(`^${pattern(me)}`, 'iv'))?.[0], name = own ?? after.match(WORD)?.[0] ?? '';
  return [el('span', { class: own ? 'mention me' : 'mention' }, '@', el('bdi', {}, name)), name.length + 1];
}

/** Reports whether a text mentions a user. @param {string} text @param {Me} me */
export const mentions = (text, me) => new RegExp(AT + pattern(me), 'iv').test(text);

/** Returns a pattern for a name, with its accents composed or not, but not as a part of a longer name. */
function pattern({ name }) {
  const forms = ['NFC', 'NFD'].map(form => name.normalize(form).replace(/[\\^$.*+?()[\]{}|\/]/g, '\\$&')); // the flag v permits no other escapes
  return `(?:${forms.join('|')})(?!${LETTER}|[._\\-]${LETTER})`;
}
