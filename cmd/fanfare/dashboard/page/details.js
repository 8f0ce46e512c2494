// One topic, or one client.

import { h, setText, replace, table } from './dom.js';
import * as f from './format.js';
import { LineChart } from './chart.js';
import { clientLink, clientName, topicLink } from './columns.js';
import { request } from './api.js';
import { confirm } from './confirm.js';

const most = 450; // points of a topic's charts

class Detail {
  constructor(kind, name) {
    this.name = name;
    this.title = name;
    this.lists = [`/api/${kind}/${encodeURIComponent(name)}`];
    this.heading = h('h1', null, h('bdi', null, name));
    this.facts = h('dl', { class: 'facts' });
    this.message = h('p', { class: 'note', role: 'status', id: 'message' }, ' ');
    this.body = h('div');
    this.element = h('div', null, h('p', { class: 'up' }, h('a', { href: '#/' + kind }, '← All ' + kind)), this.heading, this.message, this.body);
  }

  update({ span }) { this.span = span; }

  // failed shows the error of the server if the topic or client does not exist.
  failed(r) {
    this.element.classList.toggle('gone', r instanceof Error);
    if (r instanceof Error) setText(this.message, r.message);
    else if (!(Date.now() < this.said + 10000)) setText(this.message, ' '); // what was done is shown for a while
    return r instanceof Error;
  }

  show(facts) {
    replace(this.facts, facts.map(([k, v]) => h('div', null, h('dt', null, k), h('dd', null, v))));
  }

  async act(question, method, path, done) {
    if (!await confirm(question)) return;
    let says;
    try {
      says = done(await request(method, path));
    } catch (e) {
      says = 'It failed: ' + e.message;
    }
    this.said = Date.now();
    setText(this.message, says);
  }
}

export class Topic extends Detail {
  constructor(name) {
    super('topics', name);
    this.times = [];
    this.series = { rate: [], subscribers: [], lagging: [] };
    this.charts = [
      new LineChart({ title: 'Messages', note: 'per second', format: f.rate, fill: true, series: [{ name: 'rate', label: 'published', color: 1 }] }),
      new LineChart({ title: 'Subscribers', note: 'since this page was opened', format: f.short, series: [{ name: 'subscribers', label: 'all', color: 1 }, { name: 'lagging', label: 'lagging', color: 2 }] }),
    ];
    this.slowest = table('The slowest subscribers', [
      { title: 'Client', main: true, key: s => s.id ?? '', cell: s => s.id ? clientLink(s.id, clientName(s)) : clientName(s) },
      { title: 'Behind', numeric: true, cell: s => s.behind === undefined ? '–' : f.plural(s.behind, 'message') },
      { title: 'Pending', numeric: true, cell: s => f.bytes(s.pending) },
      { title: 'Lost', numeric: true, wide: true, cell: s => f.count(s.dropped ?? 0) },
    ], 'All subscribers have got everything.');
    const end = h('button', { type: 'button', class: 'danger', onclick: () => this.act(
      { title: 'Disconnect all subscribers?', text: `Every subscriber of “${name}” loses its connection, or its subscription if it has several. Most clients connect again at once.`, yes: 'Disconnect' },
      'DELETE', `/topics/${encodeURIComponent(name)}/subscribers`, r => f.plural(r.closed, 'subscriber') + ' disconnected.') }, 'Disconnect all subscribers …');
    this.body.append(h('div', { class: 'card' }, this.facts), h('div', { class: 'cards' }, this.charts.map(c => c.element)),
      h('section', { class: 'card' }, h('h3', null, 'Slowest subscribers'), this.slowest.element), h('p', { class: 'buttons' }, end));
  }

  showLists([t]) {
    if (this.failed(t)) return;
    const at = Date.parse(t.time);
    const before = this.before;
    this.before = { at, published: t.published };
    // A topic that has ended and begun anew counts from 0 again.
    const rate = before && at > before.at && t.published >= before.published ? (t.published - before.published) * 1000 / (at - before.at) : t.rate ?? NaN;
    this.times = [...this.times, at].slice(-most);
    for (const [name, v] of Object.entries({ rate, subscribers: t.subscribers, lagging: t.lagging ?? 0 })) this.series[name] = [...this.series[name], v].slice(-most);
    for (const c of this.charts) c.draw(this.times, this.span ?? 300, this.series);
    this.show([
      ['Subscribers', f.count(t.subscribers)], ['Messages per second', f.rate(rate)], ['Messages held', f.count(t.history ?? 0)],
      ['Messages since it began', f.count(t.published)], ['Position', t.position], ['Lagging', f.plural(t.lagging ?? 0, 'subscriber')],
      ['Closed as too slow', f.plural(t.evicted, 'subscriber')], ['Messages dropped', f.count(t.dropped ?? 0)],
    ]);
    this.slowest.draw(t.slowest ?? []);
  }
}

export class Client extends Detail {
  constructor(id) {
    super('clients', id);
    this.title = 'Client';
    this.topics = table('Subscriptions', [
      { title: 'Topic', main: true, key: s => s.topic, cell: s => topicLink(s.topic) },
      { title: 'Behind', numeric: true, cell: s => s.behind === undefined ? '–' : f.plural(s.behind, 'message') },
      { title: 'Lost', numeric: true, cell: s => f.count(s.dropped ?? 0) },
    ], 'It has no subscriptions.');
    this.more = h('p', { class: 'note' });
    const end = h('button', { type: 'button', class: 'danger', onclick: () => this.act(
      { title: 'Disconnect this client?', text: 'Its connection is closed after what was sent to it. Most clients connect again at once; a revoked token keeps one out.', yes: 'Disconnect' },
      'DELETE', `/api/clients/${encodeURIComponent(id)}`, () => 'The client was disconnected.') }, 'Disconnect …');
    this.body.append(h('div', { class: 'card' }, this.facts), h('section', { class: 'card' }, h('h3', null, 'Subscriptions'), this.topics.element, this.more), h('p', { class: 'buttons' }, end));
  }

  showLists([c]) {
    if (this.failed(c)) return;
    replace(this.heading, h('bdi', null, clientName(c)));
    this.title = clientName(c);
    this.show([
      ['Address', c.address || 'Unix socket'], ['User', c.user || (c.path === '/echo' ? 'not kept for /echo' : 'anonymous')], ['Path', c.path || 'not known yet'], ['Idle for', f.duration(c.idle)],
      ['Pending here', f.bytes(c.pending)], ['Pending in the kernel', f.bytes(c.unacked)], ['Received', f.bytes(c.bytes_in)], ['Sent', f.bytes(c.bytes_out)],
      ['Round trip', f.duration(c.round_trip)], ['Retransmits', f.count(c.retransmits)], ['Subscriptions', f.count(c.topics)],
      ['Subprotocol', c.subprotocol || 'none'], ['TLS', c.tls ? 'yes' : 'no'], ['Compression', c.compressed ? 'permessage-deflate' : 'no'],
    ]);
    this.topics.draw(c.subscriptions ?? []);
    setText(this.more, c.topics > (c.subscriptions?.length ?? 0) ? `These are the ${f.count(c.subscriptions.length)} that are most behind.` : '');
  }
}
