// The nodes of messages and of the lines between them.

import { avatar, el, icon } from './ui-dom.js';
import { mentions } from './text-mentions.js';
import { reactionsNode, signsNode } from './message-reactions.js';
import { onlyEmoji, render } from './text-format.js';
import { clock, day, full, gutter } from './time.js';

/** @typedef {import('./api.js').Message} Message */

/**
 * @param {Message} m
 * @param {{me: import('./api.js').User, names: Map<number, string>, head: boolean, react?: (sign: string, on: boolean) => void, edit?: () => void, remove?: () => void}} view
 *   head: with the author's name; react, edit and remove are set if the user may do it
 */
export function messageNode(m, { me, names, head, react, edit, remove }) {
  const own = m.by.id === me.id, to = !own && mentions(m.text, me);
  return el('li', { class: `message${head ? ' head' : ''}${own ? ' own' : ''}${to ? ' to-me' : ''}`, 'data-number': m.number, tabindex: '-1' },
    head ? avatar(m.by) : el('time', { class: 'gutter', 'aria-hidden': 'true' }, gutter(m.sent)),
    el('div', { class: 'body' }, meta(m.by, m.sent, head), m.deleted ? trace() : text(m.text, me), m.edited && !m.deleted ? edited(m) : null,
      m.reactions ? reactionsNode(m.reactions, { me, names, react }) : null),
    react ? actions(react, edit, remove) : null);
}

/**
 * Makes the node of a message that is being sent, or has failed.
 * @param {import('./outbox.js').Item} item @param {import('./api.js').User} me
 * @param {{head: boolean, retry: () => void, discard: () => void}} view
 */
export function pendingNode(item, me, { head, retry, discard }) {
  const failed = item.state === 'failed';
  return el('li', { class: `message own pending${head ? ' head' : ''}`, 'data-pending': item.id, 'data-state': item.state, tabindex: '-1' },
    head ? avatar(me) : el('span', { class: 'gutter' }),
    el('div', { class: 'body' }, meta(me, item.at, head), text(item.text, me),
      failed ? el('p', { class: 'error' }, `The message was not sent: ${item.error}. `,
        el('button', { type: 'button', class: 'link', onclick: retry }, 'Try again'), ' ',
        el('button', { type: 'button', class: 'link', onclick: discard }, 'Discard')) : el('span', { class: 'edited on-its-way' }, 'Sending …')));
}

function meta(by, at, head) {
  const iso = new Date(at).toISOString();
  return el('p', { class: head ? 'meta' : 'meta unseen' },
    el('bdi', { class: 'name' }, by.name), el('time', { datetime: iso, title: full(at) }, clock(at)));
}

function text(words, me) {
  const e = el('div', { class: onlyEmoji(words) ? 'text emoji' : 'text', dir: 'auto' });
  e.append(render(words, me));
  return e;
}

const trace = () => el('p', { class: 'text deleted' }, 'This message was deleted.');

const edited = m => el('span', { class: 'edited', title: `Edited ${full(m.edited)}` }, 'edited');

function actions(react, edit, remove) {
  const button = (label, name, onclick) => el('button', { type: 'button', class: 'icon', 'aria-label': label, title: label, onclick }, icon(name));
  return el('div', { class: 'actions' }, ...signsNode(react),
    edit ? button('Edit this message', 'edit', edit) : null,
    remove ? button('Delete this message', 'bin', remove) : null);
}

/** The line between days. @param {number} ms */
export const dayNode = ms => el('li', { class: 'rule day', role: 'separator', 'aria-label': day(ms) }, el('span', {}, day(ms)));

/** The line before new messages. */
export const newNode = () => el('li', { class: 'rule new', role: 'separator', 'aria-label': 'New messages' }, el('span', {}, 'New'));

/** The text before the first message of a room. @param {(Node|string)[]} words */
export const beginNode = words => el('li', { class: 'begin' }, ...words);
