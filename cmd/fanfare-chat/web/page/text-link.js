// Links in messages, which show where they lead.

import { el } from './ui-dom.js';

/**
 * Makes a link of a URL at the start of found, and returns it with its length. The punctuation of
 * the sentence is not part of the URL. Invisible characters, and those that change the writing
 * direction, are shown percent-encoded. A URL with a user name stays text, because the user name
 * can look like the host.
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

/** Returns the host as written. The browser looks up another name if the host has non-ASCII letters. */
const hostIn = href => href.match(/^https?:\/\/([^/?#\\]*)/i)?.[1].toLowerCase().replace(/:(80|443)$/, '');

const visible = href => href.replace(/[\p{C}\p{Default_Ignorable_Code_Point}]/gu, c => c.isWellFormed() ? encodeURIComponent(c) : '\ufffd');

const count = (text, c) => text.split(c).length - 1;
