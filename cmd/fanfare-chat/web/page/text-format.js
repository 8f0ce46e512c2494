// Formats the text of messages as nodes: ```blocks```, lists, > quotes, **bold**, *italic*,
// ~~struck~~, `code`, links, @names and emoji. Everything else is plain text. Nothing is parsed as
// HTML, and nothing is lost: markup that makes no sense is shown as it was written.

import { el } from './ui-dom.js';
import { link } from './text-link.js';
import { AT, LETTER, mention } from './text-mentions.js';

const FENCE = /```(?:[\w+-]*\n)?([\s\S]+?)```/g;
const ITEM = /^ {0,3}(?:([-*•])|(\d{1,3})[.)]) +(?=\S)/;
const QUOTE = /^ {0,3}>(?: |$|(?=>))/;
const EMOJI = /^(?:\p{RGI_Emoji}|\s){1,24}$/v;
const MAX_DEPTH = 4; // of nested blocks

/**
 * Formats a text.
 * @param {string} text @param {import('./text-mentions.js').Me} me the user whose mentions are marked
 * @returns {DocumentFragment}
 */
export function render(text, me) {
  const out = document.createDocumentFragment();
  let from = 0;
  for (const m of text.matchAll(FENCE)) {
    blocks(out, text.slice(from, m.index).replace(/\n$/, ''), me, 0);
    out.append(el('pre', { tabindex: '0' }, el('code', {}, m[1].replace(/\n$/, ''))));
    from = m.index + m[0].length;
    if (text[from] === '\n') from++;
  }
  blocks(out, text.slice(from), me, 0);
  return out;
}

/** Reports whether a text consists of a few emoji, which are shown larger. */
export const onlyEmoji = text => text.trim() !== '' && EMOJI.test(text);

/** Appends paragraphs, quotes and lists. */
function blocks(out, text, me, depth) {
  const lines = text.split('\n');
  let plain = [];
  const flush = () => {
    const words = plain.join('\n');
    inline(out, BLOCKS.has(out.lastChild?.tagName) ? words.replace(/^\n+/, '') : words, me, depth);
    plain = [];
  };
  for (let i = 0; i < lines.length;) {
    const kind = depth < MAX_DEPTH ? kindOf(lines[i]) : null;
    if (!kind) {
      plain.push(lines[i++]);
      continue;
    }
    while (plain.at(-1)?.trim() === '') plain.pop();
    flush();
    const end = endOf(lines, i, kind);
    out.append(kind === QUOTE ? quote(lines.slice(i, end), me, depth) : list(lines.slice(i, end), me, depth));
    i = end;
  }
  flush();
}

const BLOCKS = new Set(['PRE', 'BLOCKQUOTE', 'UL', 'OL']);

const kindOf = line => QUOTE.test(line) ? QUOTE : ITEM.test(line) ? ITEM : null;

const ordered = line => line.match(ITEM)?.[2];

/** Returns the end of the quote or list that starts at a line. Indented lines belong to the item above. */
function endOf(lines, from, kind) {
  let i = from + 1;
  const goesOn = line => kind === QUOTE ? QUOTE.test(line) : /^ {2,}\S/.test(line) || ITEM.test(line) && !ordered(line) === !ordered(lines[from]);
  while (i < lines.length && goesOn(lines[i])) i++;
  return i;
}

function quote(lines, me, depth) {
  const e = el('blockquote', { dir: 'auto' });
  blocks(e, lines.map(l => l.replace(QUOTE, '')).join('\n'), me, depth + 1);
  return e;
}

function list(lines, me, depth) {
  const first = ordered(lines[0]), e = first ? el('ol', { start: first }) : el('ul');
  for (let i = 0; i < lines.length;) {
    let end = i + 1;
    while (end < lines.length && /^ {2,}\S/.test(lines[end])) end++;
    const item = el('li', { dir: 'auto' });
    blocks(item, [lines[i].replace(ITEM, ''), ...lines.slice(i + 1, end).map(l => l.replace(/^ {2,3}/, ''))].join('\n'), me, depth + 1);
    e.append(item);
    i = end;
  }
  return e;
}

// Text between markup characters is on one line and at most 500 characters long, which bounds the
// time of the search for the closing character. Within a word, a markup character is plain text.
const enclosed = (name, sign, n, within) => `(?<!${LETTER}|${sign})${sign}{${n}}(?!\\s)(?<${name}>${within}{1,500}?)(?<!\\s)${sign}{${n}}(?!${LETTER}|${sign})`;

const INLINE = new RegExp([
  '`(?<code>[^`\\n]+)`',
  '(?<address>https?:\\/\\/[^\\s<>"\'`]+)',
  enclosed('strong', '\\*', 2, '[^\\n]'),
  enclosed('gone', '~', 2, '[^\\n]'),
  enclosed('star', '\\*', 1, '[^*\\n]'),
  enclosed('low', '_', 1, '[^_\\n]'),
  `${AT}(?<name>[\\p{L}\\p{N}][^\\n]{0,99})`,
].join('|'), 'giv');

function inline(out, text, me, depth) {
  let from = 0;
  for (let m; depth < 2 * MAX_DEPTH && (m = next(text, from));) {
    const [node, length] = nodeOf(m, me, depth);
    out.append(text.slice(from, m.index), node);
    from = m.index + length;
  }
  if (from < text.length) out.append(text.slice(from));
}

/** Returns the first match of inline markup at or after a place. */
function next(text, from) {
  INLINE.lastIndex = from;
  return INLINE.exec(text);
}

function nodeOf(m, me, depth) {
  const { code, address, name, strong, gone, star, low } = m.groups;
  if (code) return [el('code', {}, code), m[0].length];
  if (address) return link(address);
  if (name) return mention(name, me);
  const e = el(strong ? 'strong' : gone ? 's' : 'em');
  inline(e, strong ?? gone ?? star ?? low, me, depth + 1);
  return [e, m[0].length];
}

// Words are matched as on the server: without accents, and anywhere in scripts without spaces.
const ACCENT = /[[\p{Mn}&&[\p{sc=Inherited}\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Hebrew}\p{sc=Arabic}\p{sc=Syriac}]]--[\u3099\u309A]]/gv;
const DENSE = '[\\p{So}ー\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Bopomofo}\\p{sc=Hangul}\\p{sc=Yi}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}\\p{sc=Tibetan}]';
const SPACED = `[[\\p{L}\\p{M}\\p{N}]--${DENSE}]`;
const WORDS = new RegExp(`(?<spaced>${SPACED}+)|(?:${DENSE}\\p{M}*)+`, 'gv');

/** Returns the text in the form in which words are compared, and the index in text of each of its characters. */
function plain(text) {
  let folded = '';
  const at = [];
  let i = 0;
  for (const c of text) {
    const p = c.normalize('NFKD').replace(ACCENT, '').toLowerCase();
    folded += p;
    for (let n = p.length; n > 0; n--) at.push(i);
    i += c.length;
  }
  return { folded, at: [...at, i] };
}

/** Returns the ranges of a text that match the words of a query. @returns {[number, number][]} */
export function found(text, query) {
  const words = [...plain(query).folded.matchAll(WORDS)].map(m => m.groups.spaced ? `(?<!${SPACED})${m[0]}` : m[0]);
  if (words.length === 0) return [];
  const { folded, at } = plain(text);
  return [...folded.matchAll(new RegExp(words.join('|'), 'gv'))].map(m => [at[m.index], at[m.index + m[0].length]]);
}

/** Returns a text with the matches of a query highlighted. @param {string} text @param {string} query */
export function marked(text, query) {
  const out = document.createDocumentFragment();
  let from = 0;
  for (const [start, end] of found(text, query)) {
    out.append(text.slice(from, start), el('mark', {}, text.slice(start, end)));
    from = end;
  }
  out.append(text.slice(from));
  return out;
}
