// The first view: the state of the whole server.

import { h, setText, replace, table } from './dom.js';
import * as f from './format.js';
import { LineChart, BarChart } from './chart.js';
import { groupOf, last } from './store.js';
import { topicColumns, clientColumns } from './columns.js';

const line = (title, note, format, series, more) => new LineChart({
  title, note, format, bytes: format === f.bytes || format === f.byteRate,
  series: series.map(([name, label, color], i) => ({ name, label, color: color ?? i + 1 })), ...more,
});

const nothingWaits = 'No sample in these minutes.';

const sections = () => [
  ['Connections and traffic', [
    line('Connections', 'WebSockets that are open', f.short, [['websockets', 'open']], { fill: true }),
    line('Handshakes', 'of WebSockets, per second', f.rate, [['outcomes.opened', 'opened'], ['outcomes.refused', 'refused', 2], ['outcomes.timed_out', 'timed out', 4], ['outcomes.aborted', 'aborted', 6]]),
    line('Messages', 'all WebSockets, per second', f.rate, [['messages_in', 'in'], ['messages_out', 'out', 3]]),
    line('Bytes', 'all connections, per second', f.byteRate, [['bytes_in', 'in'], ['bytes_out', 'out', 3]]),
    line('Published and delivered', 'per second', f.rate, [['published', 'published'], ['delivered', 'delivered', 3]]),
    line('Topics', 'and their subscriptions', f.short, [['topics', 'topics'], ['subscriptions', 'subscriptions', 3]]),
  ]],
  ['Latency', [
    line('Wait for a worker', 'from readable to read', f.duration, [['ready_wait_p50', 'half within'], ['ready_wait_p99', '99 % within', 2]], { absent: nothingWaits, least: 1e-3 }),
    line('Loop lag', 'how late event loops run', f.duration, [['loop_lag_p50', 'half within'], ['loop_lag_p99', '99 % within', 2]], { absent: nothingWaits, least: 1e-3 }),
    line('Fan-out', 'one pass over subscribers', f.duration, [['fanout_p50', 'half within'], ['fanout_p99', '99 % within', 2]], { absent: 'Nothing was published in these minutes.', least: 1e-3 }),
  ]],
  ['Memory and CPU', [
    line('Memory', 'of the process', f.bytes, [['rss', 'resident'], ['heap', 'Go heap', 3], ['topics_memory', 'topics', 4]]),
    line('Memory per connection', 'beyond the empty server, without the kernel’s socket', f.bytes, [['per_connection', 'this server']], { fill: true }),
    line('CPU', 'user and system', f.cores, [['cpu', 'used']], { fill: true, tick: f.short, least: 0.1 }),
  ]],
  ['Slow consumers', [
    line('Waiting for clients', 'bytes that they have not taken', f.bytes, [['queued', 'pending', 2]], { fill: true, least: 1024 }),
    line('Behind', 'subscriptions that have not taken all', f.short, [['lagging', 'lagging', 2]], { fill: true }),
    new BarChart({ title: 'Lost messages', note: 'of slow subscribers, by policy', format: f.count, name: f.reason, empty: 'No subscriber has lost a message.' }),
  ]],
  ['Closes and refusals', [
    new BarChart({ title: 'Closes', note: 'by code', format: f.count, name: f.closeCode, empty: 'No WebSocket has closed.' }),
    new BarChart({ title: 'Abnormal closes', note: 'of 1006, by cause', format: f.count, name: f.reason, empty: 'No connection has ended without a close frame of the client or the server.' }),
    new BarChart({ title: 'Refusals', note: 'by reason', format: f.count, name: f.reason, empty: 'Nothing was refused.' }),
  ]],
];
const groups = { 'Lost messages': 'drops', Closes: 'closes', 'Abnormal closes': 'abnormal', Refusals: 'refusals' };

export class Overview {
  constructor() {
    this.tiles = h('div', { class: 'tiles' });
    this.numbers = {};
    for (const [id, label] of [['connections', 'Connections'], ['in', 'Messages in'], ['delivered', 'Deliveries'], ['wait', 'Wait for a worker'], ['memory', 'Memory per connection'], ['slow', 'Slow consumers closed']]) {
      const value = h('strong', { id: 'tile-' + id }, '–'), note = h('span', { class: 'note' }, ' ');
      this.numbers[id] = { value, note };
      this.tiles.append(h('div', { class: 'tile' }, h('h2', null, label), value, note));
    }
    this.split = new Split();
    this.charts = [];
    const parts = sections().map(([title, charts]) => {
      this.charts.push(...charts);
      const cards = charts.map(c => c.element);
      if (title === 'Memory and CPU') cards[1].append(this.split.element);
      return h('section', { class: 'group' }, h('h2', null, title), h('div', { class: 'cards' }, cards));
    });
    this.bySize = table('Topics with the most subscribers', topicColumns('subscribers'), 'There are no topics yet. A topic begins with its first subscriber or message.');
    this.byRate = table('Topics with the most messages', topicColumns('rate'), 'No topic gets messages now.');
    this.slow = table('Clients for which the most bytes wait', clientColumns('pending'), 'No client keeps the server waiting.');
    this.facts = h('dl', { class: 'facts' });
    const list = (title, link, t) => h('section', { class: 'card' }, h('h3', null, title, ' ', h('a', { href: link, 'aria-label': 'All: ' + title }, 'all')), t.element);
    this.element = h('div', null, h('h1', { class: 'hidden' }, 'Overview'), this.tiles, ...parts.slice(0, 3),
      h('section', { class: 'group' }, h('h2', null, 'Topics and clients'), h('div', { class: 'cards lists' },
        list('Largest topics', '#/topics?sort=subscribers', this.bySize), list('Busiest topics', '#/topics?sort=rate', this.byRate), list('Slowest clients', '#/clients', this.slow))),
      ...parts.slice(3), h('section', { class: 'group' }, h('h2', null, 'Details'), h('div', { class: 'card' }, this.facts)));
  }

  title = 'Overview';
  #lists = ['/api/topics?sort=subscribers&limit=6', '/api/topics?sort=rate&limit=6', '/api/clients?limit=6'];
  #clustered = false;
  #nodes = [];

  get lists() { return this.#clustered ? [...this.#lists, '/nodes'] : this.#lists; }

  update({ status, points, span }) {
    this.#clustered = !!status.broker;
    const at = name => last(points, name);
    const set = (id, value, note) => { setText(this.numbers[id].value, value); setText(this.numbers[id].note, note); };
    const c = status.connections, t = status.topics, p = status.process, e = status.engine;
    set('connections', f.count(c.websockets), c.limit ? `of at most ${f.count(c.limit)}` : 'no limit');
    set('in', f.rate(at('messages_in')), `${f.rate(at('messages_out'))} out`);
    set('delivered', f.rate(at('delivered')), `${f.plural(t.subscriptions, 'subscription')} to ${f.plural(t.open, 'topic')}`);
    set('wait', f.duration(at('ready_wait_p99')), `99 % within; ${f.count(e.busy)} of ${f.count(e.workers)} workers busy`);
    set('memory', p.per_connection ? f.bytes(p.per_connection) : '–', p.per_connection ? `and ${f.bytes(p.kernel_socket)} in the kernel` : 'from 100 connections on');
    set('slow', f.count(e.slow + t.evicted), `since the start; ${f.bytes(e.queued)} pending now`);
    for (const chart of this.charts) {
      const group = groups[chart.title];
      if (group) chart.draw(points.times, span, groupOf(points, group), points.every);
      else chart.draw(points.times, span, chart.title === 'Memory per connection' ? { per_connection: (points.series.per_connection ?? []).map(v => v || NaN) } : points.series);
    }
    this.split.draw(p.per_connection, p.kernel_socket);
    this.#facts(status, at);
  }

  #facts(s, at) {
    const p = s.process, e = s.engine, all = [
      ['Open files', `${f.count(p.files)} of ${f.count(p.file_limit)}`], ['Goroutines', f.count(p.goroutines)],
      ['Memory', `${f.bytes(p.rss)} of ${f.bytes(p.memory_limit)}`], ['Held for clients', f.bytes(e.held)],
      ['Longest wait now', f.duration(e.longest_wait)], ['Workers blocked', `${f.count(e.blocked)} now, ${f.count(e.blocked_ever)} ever`],
      ['Users connected', f.count(s.access.users)], ['Handshakes under way', f.count(s.connections.handshakes)],
      ['Shed', f.rate(at('shed'))],
    ];
    for (const [name, k] of Object.entries(s.hooks ?? {})) {
      all.push([`Backend hook ${name}`, `${f.count(k.requests)} requests, ${f.duration(k.requests ? k.request_time / k.requests : 0)} each; ${f.plural(k.queued, 'request')} waiting; breaker ${k.breaker}`]);
    }
    if (s.broker) all.push(['Link to NATS', `${s.broker.up ? 'up' : 'down'}; ${f.plural(s.broker.pending, 'message')} without an answer; ${f.count(Math.max(0, s.broker.links - 1))} × linked again`]);
    for (const n of this.#nodes) {
      all.push([`Node ${n.name || n.number}${n.self ? ' (this one)' : ''}`, n.missing ? 'does not answer' : `${f.plural(n.stats.subscriptions, 'subscription')} to ${f.plural(n.stats.topics, 'topic')}`]);
    }
    if (s.webhooks) all.push(['Webhooks', `${f.plural(s.webhooks.queued, 'event')} waiting, the oldest for ${f.duration(s.webhooks.oldest)}; ${f.count(s.webhooks.events?.dead ?? 0)} dead`]);
    for (const [name, n] of Object.entries(s.hub.recoveries ?? {})) all.push([`Recoveries, ${f.reason(name)}`, f.count(n)]);
    replace(this.facts, all.map(([k, v]) => h('div', null, h('dt', null, k), h('dd', null, v))));
  }

  showLists([size, rate, clients, nodes]) {
    this.#nodes = nodes?.nodes ?? [];
    this.bySize.draw(size.topics ?? [], size.message);
    this.byRate.draw(rate.topics ?? [], rate.message ?? (rate.measured ? undefined : 'Rates come with the next figures.'));
    this.slow.draw(clients.clients?.filter(c => c.pending > 0) ?? [], clients.message);
  }
}

// Split shows a connection's memory beside that of its socket in the kernel.
class Split {
  constructor() {
    this.own = h('span', { class: 'own' });
    this.kernel = h('span', { class: 'kernel' });
    this.text = h('p', { class: 'note' });
    this.element = h('div', { class: 'split' }, h('div', { class: 'strip', 'aria-hidden': 'true' }, this.own, this.kernel), this.text);
  }

  draw(own, kernel) {
    const known = own > 0 && kernel > 0;
    this.own.style.width = known ? `${Math.max(1, 100 * own / (own + kernel))}%` : '0';
    setText(this.text, known ? `${f.bytes(own)} in this process, ${f.bytes(kernel)} in the kernel (an estimate)` : 'It is measured when 100 connections are open.');
  }
}
