// The panel beside the room, with its people or a search.

import { api } from './api.js';
import { pages } from './ui-dialog.js';
import { $, avatar, bdi, el, icon, isolated } from './ui-dom.js';
import { found, marked } from './text-format.js';
import { short } from './time.js';

/** Events: invite {room}; leave {room}; direct {user, room}; reveal {number}. */
export class Panel extends EventTarget {
  #kind = null; // people, search
  #room = null;
  #hub;
  #me;

  /** @param {import('./hub-connection.js').HubConnection} hub @param {import('./api.js').User} me @param {AbortSignal} signal */
  constructor(hub, me, signal) {
    super();
    this.#hub = hub;
    this.#me = me;
    const on = (id, fn) => $(id).addEventListener('click', fn, { signal });
    $('act-search').replaceChildren(icon('search'));
    $('panel-close').replaceChildren(icon('close'));
    on('act-people', () => this.toggle('people'));
    on('act-search', () => this.toggle('search'));
    on('panel-close', () => this.close());
    hub.addEventListener('here', () => this.#marks(), { signal });
  }

  /** Switches to another room and closes the panel. @param {import('./api.js').Room|null} room */
  open(room) {
    this.#room = room;
    this.#set(null);
    this.#marks();
  }

  /** @param {'people'|'search'} kind */
  toggle(kind) {
    if (this.#kind === kind) return this.close();
    if (this.#room) this.#set(kind);
  }

  /** Closes the panel and focuses the button that opened it; reports whether it was open. */
  close() {
    const kind = this.#kind;
    if (!kind) return false;
    this.#set(null);
    $(`act-${kind}`).focus();
    return true;
  }

  #set(kind) {
    this.#kind = kind;
    $('panel').hidden = kind === null;
    $('app').classList.toggle('with-panel', kind !== null);
    for (const k of ['people', 'search']) $(`act-${k}`).setAttribute('aria-expanded', String(k === kind));
    $('panel-title').textContent = kind === 'people' ? 'People' : 'Search';
    $('panel-body').replaceChildren(...(kind === 'people' ? this.#people() : kind === 'search' ? this.#search() : []));
    if (kind === 'search') $('query').focus();
    else if (kind) $('panel-close').focus();
    this.#marks();
  }

  /** Reloads the list of people, for example after an invitation. @param {import('./api.js').Room} room */
  refresh(room) {
    if (this.#kind === 'people' && room === this.#room) this.#set('people');
  }

  #people() {
    const room = this.#room, act = (name, words, kind) => el('button', { type: 'button', class: kind, onclick: () => this.#emit(name, { room }) }, words);
    const members = pages(async after => {
      const page = await api.members(room.id, after);
      return { items: page.members.map(m => this.#person(m, room)), after: page.members.at(-1)?.key, more: page.more };
    }, 'This room has no members.');
    const last = room.kind === 'direct' ? [] : [el('div', { class: 'panel-foot' }, act('leave', 'Leave this room', 'quiet danger'))];
    return [room.kind === 'direct' ? null : act('invite', 'Invite someone', 'primary wide'), members, ...last].filter(Boolean);
  }

  #person(user, room) {
    const self = user.id === this.#me.id;
    const row = el('div', { class: 'row person', 'data-user': user.id }, avatar(user),
      el('span', { class: 'label' }, bdi(user.name), self ? ' (you)' : '', el('span', { class: 'soft small presence' })),
      self || room.kind === 'direct' ? null : el('button', { type: 'button', class: 'icon', 'aria-label': `Message ${user.name}`, title: `Message ${isolated(user.name)}`,
        onclick: () => this.#emit('direct', { user, room }) }, icon('at')));
    this.#mark(row);
    return row;
  }

  /** Updates the presence on the button and in the list. */
  #marks() {
    const n = this.#hub.here.length;
    $('act-people').replaceChildren(icon('people'), el('span', {}, String(n)), el('span', { class: 'wide-only' }, 'here'));
    $('act-people').setAttribute('aria-label', `${n} here: show people`);
    $('act-people').title = this.#hub.here.map(p => isolated(p.name)).join(', ');
    for (const row of $('panel-body').querySelectorAll('.person')) this.#mark(row);
  }

  #mark(row) {
    const is = this.#hub.here.some(p => p.id === Number(row.dataset.user));
    row.classList.toggle('is-here', is);
    row.querySelector('.presence').textContent = is ? 'here now' : '';
  }

  #search() {
    const results = el('ul', { class: 'results' }), note = el('p', { class: 'soft', role: 'status' }, HINT);
    const more = el('button', { type: 'button', class: 'wide', hidden: true, onclick: () => find(below) }, 'Older results');
    const input = el('input', { id: 'query', type: 'search', placeholder: 'Search for words', 'aria-label': 'Words to search for', autocomplete: 'off', oninput: () => soon() });
    const room = this.#room;
    let timer, run = 0, words, below; // words: those of the results
    const soon = () => { clearTimeout(timer); timer = setTimeout(() => find(), 200); };
    const find = async from => {
      const mine = ++run, q = from ? words : input.value.trim();
      if (q === '') return clear(HINT);
      try {
        const page = await api.search(room.id, q, from);
        if (mine !== run) return;
        if (!from) clear('');
        words = q;
        results.append(...page.messages.map(m => this.#result(m, q)));
        below = page.messages.at(-1)?.number;
        more.hidden = !page.more;
        note.textContent = counted(results.childElementCount, page.more);
      } catch (e) {
        if (mine === run) note.textContent = e.message;
      }
    };
    const clear = words => { results.replaceChildren(); more.hidden = true; note.textContent = words; };
    return [el('form', { role: 'search', onsubmit: e => { e.preventDefault(); find(); } }, input), note, results, more];
  }

  #result(m, q) {
    const text = el('span', { class: 'found-text', dir: 'auto' });
    text.append(marked(excerpt(m.text, q), q));
    return el('li', {}, el('button', { type: 'button', class: 'result', onclick: () => this.#emit('reveal', { number: m.number }) },
      el('span', { class: 'meta' }, el('bdi', { class: 'name' }, m.by.name), el('time', {}, short(m.sent))), text));
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const HINT = 'Finds messages with all of the words, in any order. The start of a word is enough.';

const counted = (n, more) => n === 0 ? 'No message contains all of these words.' : n === 1 ? 'One message' : `${more ? 'The latest ' : ''}${n} messages`;

/** Returns the part of a long text around the first match. */
function excerpt(text, q) {
  const at = found(text, q)[0]?.[0] ?? 0;
  const from = at > 100 ? at - 60 : 0;
  return (from > 0 ? '… ' : '') + text.slice(from, from + 240) + (text.length > from + 240 ? ' …' : '');
}
