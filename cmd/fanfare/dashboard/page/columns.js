// The columns of tables of topics and clients.

import { h } from './dom.js';
import * as f from './format.js';

export const topicLink = name => h('a', { href: '#/topic/' + encodeURIComponent(name), title: name }, h('bdi', null, name));
export const clientLink = (id, text) => h('a', { href: '#/client/' + encodeURIComponent(id), title: text }, h('bdi', null, text));

// clientName is what tells a client from others: its user and its address.
export const clientName = c => (c.user ? c.user + ' · ' : '') + (c.address || 'Unix socket');

export const sorts = {
  rate: 'messages per second', subscribers: 'subscribers', lagging: 'lagging subscribers', dropped: 'dropped messages', history: 'messages held', published: 'messages ever', name: 'name',
};

const topicNumbers = {
  subscribers: ['Subscribers', t => f.count(t.subscribers)], rate: ['Messages/s', t => f.short(t.rate)],
  lagging: ['Lagging', t => f.count(t.lagging ?? 0)], dropped: ['Dropped', t => f.count(t.dropped ?? 0)],
  history: ['Held', t => f.count(t.history ?? 0)], published: ['Ever', t => f.count(t.published)],
};

// topicColumns returns the name and those numbers. All but the first two need a wide screen.
export const topicColumns = (...numbers) => [
  { title: 'Topic', main: true, key: t => t.name, cell: t => topicLink(t.name) },
  ...numbers.map((n, i) => ({ title: topicNumbers[n][0], numeric: true, wide: i > 1, cell: topicNumbers[n][1] })),
];

const clientCells = {
  pending: { title: 'Pending', numeric: true, cell: c => f.bytes(c.pending) },
  unacked: { title: 'In the kernel', numeric: true, wide: true, cell: c => f.bytes(c.unacked) },
  idle: { title: 'Idle', numeric: true, cell: c => f.duration(c.idle) },
  path: { title: 'Path', wide: true, cell: c => h('bdi', null, c.path ?? '') },
  topics: { title: 'Topics', numeric: true, wide: true, cell: c => f.count(c.topics) },
};

export const clientColumns = (...cells) => [
  { title: 'Client', main: true, key: c => c.id, cell: c => clientLink(c.id, clientName(c)) },
  ...cells.map(n => clientCells[n]),
];
