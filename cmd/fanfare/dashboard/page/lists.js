// The lists of topics and of clients. The search is part of the address, so that the page can be reloaded and shared.

import { h, setText, table } from './dom.js';
import * as f from './format.js';
import { topicColumns, clientColumns, sorts } from './columns.js';

class List {
  constructor(kind, params, { title, field, hint, caption, columns, empty }) {
    this.title = title;
    this.kind = kind;
    const orders = kind === 'topics' ? sorts : {};
    this.params = { sort: Object.hasOwn(orders, params.get('sort')) ? params.get('sort') : Object.keys(orders)[0], q: params.get('q') ?? '' };
    this.select = h('select', { id: 'sort' }, Object.entries(orders).map(([v, text]) => h('option', { value: v, selected: v === this.params.sort }, text)));
    this.input = h('input', { id: 'search', type: 'search', placeholder: hint, autocapitalize: 'none', spellcheck: 'false' });
    this.input.value = this.params.q;
    this.count = h('p', { class: 'note', id: 'count', role: 'status' }, ' ');
    this.table = table(caption, columns, empty);
    const form = h('form', { class: 'filter', role: 'search', onsubmit: e => { e.preventDefault(); this.#go(); } },
      h('label', { for: 'search' }, field, this.input), kind === 'topics' && h('label', { for: 'sort' }, 'Sorted by', this.select));
    this.select.addEventListener('change', () => this.#go());
    this.input.addEventListener('change', () => this.#go());
    this.element = h('div', null, h('h1', null, title), form, this.count, h('div', { class: 'card' }, this.table.element));
    this.lists = [`/api/${kind}?limit=100&` + new URLSearchParams(kind === 'topics' ? { sort: this.params.sort, prefix: this.params.q } : { q: this.params.q })];
  }

  #go() {
    const to = `#/${this.kind}?` + new URLSearchParams({ ...(this.select.value && { sort: this.select.value }), ...(this.input.value && { q: this.input.value }) });
    if (location.hash !== to) location.hash = to;
  }

  update() {}

  failed(r) {
    if (r instanceof Error) this.table.draw([], r.message);
    return r instanceof Error;
  }
}

export class Topics extends List {
  constructor(params) {
    super('topics', params, {
      title: 'Topics', field: 'Name begins with', hint: 'prices.', caption: 'Topics',
      columns: topicColumns('subscribers', 'rate', 'history', 'lagging', 'dropped', 'published'),
      empty: 'There is no such topic. A topic begins with its first subscriber or message, and ends with its last.',
    });
  }

  showLists([r]) {
    if (this.failed(r)) return;
    const some = r.topics.length < r.total ? `The first ${f.count(r.topics.length)} of ${r.more ? 'more than ' : ''}${f.plural(r.total, 'topic')}` : f.plural(r.total, 'topic');
    setText(this.count, `${some}, as of ${f.clock(Date.parse(r.time))}. ${r.measured ? `Rates over the last ${f.duration(r.measured)}.` : 'Rates come with the next figures.'}`);
    const quiet = r.sort === 'rate' ? (r.measured ? 'No topic gets messages now.' : 'Rates come with the next figures.') : undefined;
    this.table.draw(r.topics, this.params.q ? undefined : quiet);
  }
}

export class Clients extends List {
  constructor(params) {
    super('clients', params, {
      title: 'Clients', field: 'User or address', hint: 'ada or 192.0.2.1', caption: 'Clients',
      columns: clientColumns('pending', 'unacked', 'idle', 'path', 'topics'),
      empty: 'There is no such client.',
    });
  }

  showLists([r]) {
    if (this.failed(r)) return;
    setText(this.count, `Those with the most bytes pending first. ${r.clients.length < r.total ? `The first ${f.count(r.clients.length)} of ${f.plural(r.total, 'client')}` : f.plural(r.total, 'client')}, as of ${f.clock(Date.parse(r.time))}.`);
    this.table.draw(r.clients);
  }
}
