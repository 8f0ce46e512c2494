// What people write, as nodes: links, `code`, ```blocks``` and emoji; all else is text.

import { el } from './dom.js';

const BLOCK = /```(?:[\w+-]*\n)?([\s\S]+?)```/g;
const INLINE = /`([^`\n]+)`|(https?:\/\/[^\s<>"'`]+)/gi;
const EMOJI = /^(?:\p{RGI_Emoji}|\s){1,24}$/v;

/** Returns a text as nodes. @param {string} text @returns {DocumentFragment} */
export function render(text) {
  const out = document.createDocumentFragment();
  let from = 0;
  for (const m of text.matchAll(BLOCK)) {
    inline(out, trimEnd(text.slice(from, m.index)));
    out.append(el('pre', { tabindex: '0' }, el('code', {}, m[1].replace(/\n$/, ''))));
    from = m.index + m[0].length;
    if (text[from] === '\n') from++;
  }
  inline(out, text.slice(from));
  return out;
}

/** Reports whether a text is a few emoji and nothing else, which are shown larger. */
export const onlyEmoji = text => text.trim() !== '' && EMOJI.test(text);

const trimEnd = text => text.replace(/\n$/, '');

function inline(out, text) {
  let from = 0;
  for (const m of text.matchAll(INLINE)) {
    const [node, length] = m[1] ? [el('code', {}, m[1]), m[0].length] : link(m[2]);
    out.append(text.slice(from, m.index), node);
    from = m.index + length;
  }
  if (from < text.length) out.append(text.slice(from));
}

/** Returns a link and how long its text is: the sentence's own punctuation is not part of it. */
function link(found) {
  let href = found.replace(/[.,:;!?…]+$/, '');
  while (href.endsWith(')') && count(href, ')') > count(href, '(')) href = href.slice(0, -1).replace(/[.,:;!?…]+$/, '');
  if (!URL.canParse(href) || !/^https?:$/.test(new URL(href).protocol)) return [document.createTextNode(found), found.length];
  return [el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, href), href.length];
}

const count = (text, c) => text.split(c).length - 1;

/** Returns a text with the words that were looked for marked. @param {string} text @param {string} query */
export function marked(text, query) {
  const out = document.createDocumentFragment();
  const words = query.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return out.append(text), out;
  const found = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join('|')})`, 'giu');
  let from = 0;
  for (const m of text.matchAll(found)) {
    out.append(text.slice(from, m.index), el('mark', {}, m[0]));
    from = m.index + m[0].length;
  }
  out.append(text.slice(from));
  return out;
}
