// Links that say where they lead.

import { el } from './dom.js';

/**
 * Returns a link and how long its text is, of what was found that looks like one: the
 * sentence's own punctuation is not part of it. Characters that are not seen, or turn
 * others around, are shown as the server gets them. An address that begins with a name
 * stays text, as what looks like its host is none.
 * @param {string} found @returns {[Node, number]}
 */
export function link(found) {
  let href = found.replace(END, '');
  while (href.endsWith(')') && count(href, ')') > count(href, '(')) href = href.slice(0, -1).replace(END, '');
  const url = URL.canParse(href) ? new URL(href) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) return [document.createTextNode(found), found.length];
  return [el('a', { href, target: '_blank', rel: 'noopener noreferrer', title: url.host === hostIn(href) ? null : url.host }, visible(href)), href.length];
}

const END = /[.,:;!?…*_~]+$/;

/** The host as it is written; it is looked up as another if it has letters beyond ASCII. */
const hostIn = href => href.match(/^https?:\/\/([^/?#\\]*)/i)?.[1].toLowerCase().replace(/:(80|443)$/, '');

const visible = href => href.replace(/[\p{C}\p{Default_Ignorable_Code_Point}]/gu, c => c.isWellFormed() ? encodeURIComponent(c) : '\ufffd');

const count = (text, c) => text.split(c).length - 1;
