// The list of rooms. On a narrow page it is a drawer.

import { $, avatar, composing, el, icon } from './ui-dom.js';
import { nameOf, isMentioned, unread } from './rooms.js';

const NARROW = matchMedia('(max-width: 759px)');

/** Events: open {id}, and create, browse, direct, account, keys, logout for the buttons of these names. */
export class Sidebar extends EventTarget {
  #rooms;
  #current = null;
  #items = new Map(); // {node, version} by room

  /** @param {import('./rooms.js').Rooms} rooms @param {import('./api.js').User} me @param {AbortSignal} signal */
  constructor(rooms, me, signal) {
    super();
    this.#rooms = rooms;
    const on = (id, fn, event = 'click') => $(id).addEventListener(event, fn, { signal });
    rooms.addEventListener('change', () => this.render(), { signal });
    $('my-name').textContent = me.name;
    $('my-avatar').replaceWith(Object.assign(avatar(me), { id: 'my-avatar' }));
    for (const name of ['create', 'browse', 'direct', 'account', 'keys', 'logout']) on(`act-${name}`, () => this.#emit(name));
    $('act-create').replaceChildren(icon('plus'), 'New room');
    $('act-browse').replaceChildren(icon('compass'), 'Browse rooms');
    $('act-direct').replaceChildren(icon('at'), 'Message someone');
    $('act-keys').replaceChildren(icon('keys'));
    $('act-logout').replaceChildren(icon('out'));
    $('drawer-open').replaceChildren(icon('menu'));
    $('drawer-close').replaceChildren(icon('close'));
    on('drawer-open', () => this.drawer(true));
    on('drawer-close', () => this.drawer(false));
    on('scrim', () => this.drawer(false));
    on('filter', () => this.render(), 'input');
    on('filter', e => this.#filterKey(e), 'keydown');
    NARROW.addEventListener('change', () => this.drawer(false), { signal });
    this.drawer(false);
  }

  /** Sets the open room. @param {number|null} id */
  set current(id) {
    this.#current = id;
    this.render();
    this.drawer(false);
    this.#items.get(id)?.node.scrollIntoView({ block: 'nearest' });
  }

  /** Opens or closes the drawer. Covered and hidden parts of the page cannot be focused. @param {boolean} open */
  drawer(open) {
    const narrow = NARROW.matches, was = $('sidebar').classList.contains('open');
    open &&= narrow;
    $('sidebar').classList.toggle('open', open);
    $('sidebar').inert = narrow && !open;
    $('room').inert = $('panel').inert = open;
    $('scrim').hidden = !open;
    $('drawer-open').setAttribute('aria-expanded', String(open));
    if (open) $('drawer-close').focus();
    else if (was) $('drawer-open').focus();
    return was && !open;
  }

  /** Returns the room above or below the open one. @param {number} step */
  beside(step) {
    const all = this.#shown().flat(), i = all.findIndex(r => r.id === this.#current);
    return all[(i + step + all.length) % all.length]?.id ?? null;
  }

  /** Focuses the field that filters the rooms. */
  find() {
    this.drawer(true);
    $('filter').select();
    $('filter').focus();
  }

  #filterKey(e) {
    if (composing(e)) return;
    const first = this.#shown().flat()[0];
    if (e.key === 'Enter' && first) this.#pick(first.id);
    if (e.key === 'Escape' && $('filter').value !== '') {
      e.stopPropagation();
      $('filter').value = '';
      this.render();
    }
  }

  #pick(id) {
    $('filter').value = '';
    this.#emit('open', { id });
  }

  #shown() {
    const { rooms, direct } = this.#rooms.lists, wanted = $('filter').value.trim().toLocaleLowerCase();
    return [rooms, direct].map(list => list.filter(r => nameOf(r).toLocaleLowerCase().includes(wanted)));
  }

  render() {
    const [rooms, direct] = this.#shown(), focused = document.activeElement?.closest?.('#room-lists [data-room]')?.dataset.room;
    const items = new Map();
    const list = (title, all, none) => el('section', {}, el('h3', {}, title),
      all.length ? el('ul', {}, ...all.map(r => el('li', {}, this.#item(r, items)))) : el('p', { class: 'soft none' }, none));
    const filtered = $('filter').value !== '';
    $('room-lists').replaceChildren(
      list('Rooms', rooms, filtered ? 'No room has this name.' : 'No rooms yet. Create one, or browse the open rooms.'),
      list('People', direct, filtered ? 'Nobody has this name.' : 'No conversations yet. Send someone a message.'));
    this.#items = items;
    if (focused) items.get(Number(focused))?.node.querySelector('button, a')?.focus();
  }

  #item(room, items) {
    const n = unread(room), open = room.id === this.#current, version = `${nameOf(room)} ${room.kind} ${n} ${open} ${isMentioned(room)}`;
    const old = this.#items.get(room.id);
    const node = old?.version === version ? old.node : this.#button(room, n, open);
    items.set(room.id, { node, version });
    return node;
  }

  #button(room, n, open) {
    const sign = room.kind === 'direct' ? avatar(room.with) : icon(room.kind === 'private' ? 'lock' : 'hash');
    const button = el('button', { type: 'button', 'aria-current': open ? 'page' : null, onclick: () => this.#pick(room.id) },
      sign, el('bdi', { class: 'label' }, nameOf(room)),
      room.kind === 'private' ? el('span', { class: 'unseen' }, ', private') : null,
      isMentioned(room) ? el('span', { class: 'count at' }, '@', el('span', { class: 'unseen' }, ' you are mentioned')) : null,
      n > 0 ? el('span', { class: 'count' }, n > 999 ? '999+' : String(n), el('span', { class: 'unseen' }, ' unread')) : null);
    return el('div', { class: n > 0 ? 'room-item unread' : 'room-item', 'data-room': room.id }, button);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
