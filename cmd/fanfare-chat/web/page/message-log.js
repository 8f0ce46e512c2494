// The scrolling list of messages. The message being read keeps its place on the screen while
// messages are added or removed at either end, or change their height. At the end of the room, the
// list stays at the end.

import { $, el } from './ui-dom.js';
import { beginNode, dayNode, messageNode, newNode, pendingNode } from './message-node.js';
import { Roving } from './ui-roving.js';
import { day, dayOf } from './time.js';

const GROUP = 5 * 60_000; // ms within which messages of one person are grouped
const NEAR = 40;          // pixels from the end that count as the end
const AHEAD = 900;        // pixels before an end of the loaded part at which more is loaded

/** Event: end, when the list is scrolled, or its last message changes. */
export class Log extends EventTarget {
  /** Whether the end of the room is in view, and must stay in view. */
  atEnd = true;
  #scroller = $('log');
  #list = $('messages');
  #nodes = new Map(); // {node, version} by key
  #timeline = null;
  #view = null;
  #roving;
  #going = null;      // identifies the last call of end, reveal or show
  #seen;              // observes whether an end of the loaded part is near
  #update = () => this.update();

  /** @param {AbortSignal} signal */
  constructor(signal) {
    super();
    this.#roving = new Roving(this.#list, '.message', signal);
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true, signal });
    this.#seen = new IntersectionObserver(entries => this.#near(entries), { root: this.#scroller, rootMargin: `${AHEAD}px 0px` });
    const sizes = new ResizeObserver(() => { if (this.atEnd) this.#toEnd(); });
    sizes.observe(this.#scroller);
    sizes.observe(this.#list);
    signal.addEventListener('abort', () => {
      this.show(null);
      this.#seen.disconnect();
      sizes.disconnect();
    });
  }

  /**
   * Shows another room, at its end; null: no room.
   * @param {import('./message-timeline.js').Timeline|null} timeline
   * @param {{me: import('./api.js').User, begin: (Node|string)[], firstNew: number, outbox: import('./outbox.js').Outbox, room: number,
   *   names: Map<number, string>, react: Function, edit: Function, remove: Function}} [view]
   */
  show(timeline, view) {
    this.#timeline?.removeEventListener('change', this.#update);
    this.#timeline = timeline;
    this.#going = null;
    this.#view = view;
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.atEnd = true;
    timeline?.addEventListener('change', this.#update);
    this.update();
  }

  /** Updates the nodes to match the messages. */
  update() {
    const t = this.#timeline;
    if (!t) return;
    this.#cut(t);
    const anchor = this.atEnd ? null : this.#anchor();
    this.#quietly(this.#changesHistory(t), () => this.#place(this.#wanted(t)));
    if (this.atEnd && t.latest) this.#toEnd();
    else if (anchor) this.#back(anchor);
    this.#watchEnds();
    this.#scrolled();
  }

  /** Limits the length of the loaded part, and so the number of nodes, at the end that is out of view. */
  #cut(t) {
    if (this.atEnd && t.latest) t.trim('oldest');
    else if (t.messages.length > 280) t.trim('newest');
  }

  /** Returns the first message in view, and its place on the screen. */
  #anchor() {
    const top = this.#scroller.getBoundingClientRect().top;
    for (const [key, { node }] of this.#nodes) {
      if (!node.classList.contains('message')) continue;
      const box = node.getBoundingClientRect();
      if (box.bottom > top) return { key, top: box.top };
    }
    return null;
  }

  #back({ key, top }) {
    const now = this.#nodes.get(key)?.node;
    if (now) this.#scroller.scrollTop += now.getBoundingClientRect().top - top;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Reports whether the added messages are old ones, which a screen reader should not announce. */
  #changesHistory(t) {
    const last = [...this.#list.querySelectorAll('[data-number]')].at(-1)?.dataset.number;
    return last === undefined || !t.latest || t.last <= Number(last);
  }

  #quietly(quiet, change) {
    if (quiet) this.#scroller.setAttribute('aria-live', 'off');
    change();
    if (quiet) requestAnimationFrame(() => setTimeout(() => this.#scroller.setAttribute('aria-live', 'polite')));
  }

  /** Returns the wanted nodes: a key, a version, and a function that makes the node. */
  #wanted(t) {
    const { me, begin, firstNew } = this.#view, all = [];
    let before = null;
    if (t.loaded && t.first <= 1) all.push({ key: 'begin', version: '', make: () => beginNode(begin) });
    for (const m of t.messages) {
      const newDay = !before || dayOf(before.sent) !== dayOf(m.sent);
      if (newDay) all.push({ key: `day ${dayOf(m.sent)}`, version: day(m.sent), make: () => dayNode(m.sent) });
      if (m.number === firstNew && m.by.id !== me.id) all.push({ key: 'new', version: '', make: newNode });
      const head = newDay || before.by.id !== m.by.id || m.sent - before.sent > GROUP || m.number === firstNew;
      all.push({ key: `m${m.number}`, version: `${m.rev} ${head}`, make: () => this.#message(m, head) });
      before = m;
    }
    if (t.latest || !t.loaded) this.#pending(t, before, all);
    return all;
  }

  #message(m, head) {
    const { me, names, react, edit, remove } = this.#view, own = m.by.id === me.id;
    return messageNode(m, {
      me, names, head,
      react: m.deleted ? undefined : (sign, on) => react(m, sign, on),
      edit: own && !m.deleted ? () => edit(m) : undefined,
      remove: (own || me.moderator) && !m.deleted ? () => remove(m) : undefined,
    });
  }

  #pending(t, before, all) {
    const { me, outbox, room } = this.#view, here = new Set(t.messages.filter(m => m.by.id === me.id).map(m => m.id));
    let head = !before || before.by.id !== me.id || Date.now() - before.sent > GROUP;
    for (const i of outbox.of(room).filter(i => !here.has(i.id))) {
      const first = head;
      all.push({
        key: `p${i.id}`, version: `${i.state} ${first}`,
        make: () => pendingNode(i, me, { head: first, retry: () => outbox.retry(i.id), discard: () => outbox.discard(i.id) }),
      });
      head = false;
    }
  }

  /**
   * Puts these nodes into the list, in this order. Nodes that are already in place are not moved,
   * because they would lose the focus.
   */
  #place(wanted) {
    const nodes = new Map(), active = document.activeElement, focused = active.closest('#messages > li');
    let again = null; // the replacement of the node that had the focus
    for (const { key, version, make } of wanted) {
      const old = this.#nodes.get(key), same = old?.version === version;
      nodes.set(key, same ? old : { node: make(), version });
      if (same) continue;
      this.#roving.add(nodes.get(key).node);
      if (old && old.node === focused) again = nodes.get(key).node;
    }
    for (const [key, old] of this.#nodes) if (nodes.get(key) !== old) old.node.remove();
    let next = this.#list.firstChild;
    for (const { node } of nodes.values()) {
      if (node === next) next = next.nextSibling;
      else this.#list.insertBefore(node, next);
    }
    this.#nodes = nodes;
    (again?.querySelector(`[data-sign="${active.dataset.sign}"]`) ?? again)?.focus({ preventScroll: true });
    this.#roving.settle();
  }

  #scrolled() {
    const s = this.#scroller, t = this.#timeline;
    if (t?.loaded) this.atEnd = t.latest && s.scrollHeight - s.scrollTop - s.clientHeight < NEAR; // while loading, the list stays at the end
    this.dispatchEvent(new Event('end'));
  }

  /** Observes both ends anew: an observer does not report again an end that is still near. */
  #watchEnds() {
    const t = this.#timeline, top = $('log-top'), bottom = $('log-bottom');
    this.#seen.disconnect();
    top.replaceChildren(...this.#note(t));
    if (!t.loaded || t.trouble) return;
    if (t.first > 1) this.#seen.observe(top);
    if (!t.latest) this.#seen.observe(bottom);
  }

  #note(t) {
    if (t.trouble) return [`${t.trouble.message} `, el('button', { type: 'button', class: 'link', onclick: () => this.again() }, 'Try again')];
    return t.loaded && t.first <= 1 ? [] : ['Loading …'];
  }

  /** Loads again after a failure. */
  again() {
    const t = this.#timeline;
    if (!t?.trouble) return;
    t.trouble = null;
    if (t.loaded) this.#watchEnds();
    else t.open();
  }

  #near(entries) {
    for (const e of entries) {
      if (!e.isIntersecting) continue;
      if (e.target.id === 'log-top') this.#timeline.older();
      else this.#timeline.newer();
    }
  }

  /** Focuses a message, if it is shown. @param {number} number */
  focus(number) {
    this.#nodes.get(`m${number}`)?.node.focus({ preventScroll: true });
  }

  /** Scrolls to the end of the room. */
  async end() {
    const going = this.#going = {};
    if (!this.#timeline.latest) await this.#timeline.open();
    if (going !== this.#going) return;
    this.atEnd = true;
    this.#toEnd();
    this.#scrolled();
  }

  /** Scrolls to a message and highlights it. @param {number} number */
  async reveal(number) {
    const going = this.#going = {};
    this.atEnd = false;
    await this.#timeline.around(number);
    const node = this.#nodes.get(`m${number}`)?.node;
    if (going !== this.#going || !node) return;
    node.scrollIntoView({ block: 'center' });
    this.#scrolled();
    node.classList.add('found');
    node.addEventListener('animationend', () => node.classList.remove('found'), { once: true });
    node.focus({ preventScroll: true });
  }
}
