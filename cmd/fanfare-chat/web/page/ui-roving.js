// A roving tabindex: one tab stop in a list with hundreds of buttons. The arrow keys move from item
// to item, and Tab moves on to the buttons of the focused item. While the focus is elsewhere, the
// tab stop is the last item.

const INSIDE = 'a[href], button, [tabindex]';

export class Roving {
  #list;
  #items; // selector of the items
  #stop = null;

  /** @param {HTMLElement} list @param {string} items @param {AbortSignal} signal */
  constructor(list, items, signal) {
    this.#list = list;
    this.#items = items;
    list.addEventListener('focusin', e => this.#turn(e.target.closest(items)), { signal });
    list.addEventListener('keydown', e => this.#key(e), { signal });
  }

  /** Takes a new item out of the tab order. @param {HTMLElement} node */
  add(node) {
    reach(node, false);
  }

  /** Updates the tab stop after a change of the list. */
  settle() {
    if (this.#stop?.isConnected && this.#list.contains(document.activeElement)) return;
    this.#turn([...this.#list.querySelectorAll(this.#items)].at(-1) ?? null);
  }

  #turn(item) {
    if (item === this.#stop) return;
    if (this.#stop) reach(this.#stop, false);
    if (item) reach(item, true);
    this.#stop = item;
  }

  #key(e) {
    if (e.altKey || e.ctrlKey || e.metaKey || e.shiftKey || !e.target.matches(`${this.#items}, button`)) return;
    const all = [...this.#list.querySelectorAll(this.#items)], at = all.indexOf(this.#stop);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    all[Math.max(0, Math.min(to, all.length - 1))]?.focus();
  }
}

function reach(node, can) {
  for (const e of [node, ...node.querySelectorAll(INSIDE)]) e.tabIndex = can ? 0 : -1;
}
