// fanfare.js: a client of Fanfare for browsers and Node, in one file.
//
//   import { Fanfare } from 'https://example.org/fanfare.js';
//
//   const f = new Fanfare('wss://example.org/hub');
//   const news = f.subscribe('news', { last: 50 }, (message, meta) => show(message, meta.time));
//   news.on('gap', () => reload());
//   await f.publish('news', { text: 'hello' });
//
// It reconnects by itself, and resumes each subscription after the last message that
// came: the messages of a topic come in order, each once. If the server does not hold
// any more what was missed, as for a topic without history, a "gap" event says so, and
// it goes on with what is held. Subscriptions by pattern begin anew, with a gap.
//
// The protocol is fanfare.v1. For Node, save the file as fanfare.mjs. Node has a
// WebSocket from version 22 on; before, pass that of the package ws:
// new Fanfare(url, { WebSocket }).
//
// If a page cannot connect because the server refuses its origin, which a page is not
// told, the console says so, once. A message that cannot be read is skipped, counted
// (f.unreadable), and told by an "unreadable" event, or on the console if nobody listens.

const PROTOCOL = 'fanfare.v1';
const DEFAULTS = { minDelay: 500, maxDelay: 30_000, pingInterval: 25_000, timeout: 10_000, maxCalls: 10_000 };

/** Codes with which a server says that it does not want this client. */
const FINAL = new Set([1000, 1008, 1010, 3000, 3003]);

/** Codes that are about what was sent: it must not be sent again. */
const FAULTY = new Set([1002, 1003, 1007, 1009]);

/**
 * @typedef {object} Options times are in milliseconds
 * @property {any} [WebSocket] the class to use; the global one
 * @property {number} [minDelay] the longest time before the first attempt to reconnect; it doubles with each
 * @property {number} [maxDelay] up to this
 * @property {number} [pingInterval] the silence after which the server is pinged
 * @property {number} [timeout] how long to wait for a connection, and for each reply
 * @property {number} [maxCalls] how many calls may wait at a time
 *
 * @typedef {object} SubscribeOptions
 * @property {number} [last] begin with so many of the latest messages
 * @property {string} [after] begin after this position: a meta.position, or a sub.position
 * @property {boolean} [presence] keep sub.present, with "presence" events when it changes
 *
 * @typedef {object} PublishOptions
 * @property {string} [key] for topics that conflate: what the message is the latest about
 * @property {boolean} [echo] this client gets the message, too
 * @property {boolean} [retry] publish again if the connection breaks before the reply: once at least, perhaps twice
 *
 * @typedef {{topic: string, offset: number, position: string|null, time: Date, key?: string}} Meta
 *   position is after the message; null if it came by a pattern
 * @typedef {(message: any, meta: Meta) => void} Handler
 *   message is any JSON value; a string if it was published as text, a Uint8Array if as binary
 * @typedef {{id: string, data?: any}} Person
 * @typedef {{topic: string, position: string, receivers: number}} Receipt
 * @typedef {{messages: {data: any, meta: Meta}[], position?: string, more: boolean}} History
 */

/** The code is one of the protocol's, such as "forbidden", or "lost", "timeout", "closed", "busy". */
export class FanfareError extends Error {
  name = 'FanfareError';

  /** @param {string} code @param {string} message @param {boolean} [sent] @param {{oldest?: string, latest?: string}} [held] */
  constructor(code, message, sent = true, held = {}) {
    super(message);
    this.code = code;
    this.sent = sent; // whether the server may have got the request
    this.oldest = held.oldest; // if the code is too-old: from here on all is held
    this.latest = held.latest;
  }
}

class Emitter {
  /** @type {Map<string, Set<Function>>} */
  #listeners = new Map();

  /**
   * Has fn called at each event of that name, until the function that it returns is called.
   * @param {string} name @param {(event: any) => void} fn @returns {() => void}
   */
  on(name, fn) {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(fn));
    return () => { all.delete(fn); };
  }

  /** @internal reports whether anybody listens */
  _emit(name, event) {
    const all = [...this.#listeners.get(name) ?? []];
    for (const fn of all) guarded(fn, event);
    return all.length > 0;
  }
}

/**
 * A connection that is kept up. Events:
 *   open     {client, user}          it is connected, for the first time or again
 *   close    {code, reason, retry}   it is not; the next attempt is in retry ms, null: never
 *   message  {message, meta}         for this user, of no subscription; what comes while it is not connected is lost
 *   error    FanfareError            of a subscription whose own nobody listens to
 *   unreadable  {text, error}        a message of the server's that cannot be read was skipped
 */
export class Fanfare extends Emitter {
  /** @type {"connecting"|"open"|"closed"} */
  state = 'connecting';
  /** How many messages of the server's could not be read. */
  unreadable = 0;
  #url;
  #href;         // of the attempt
  #cause = '';   // why the last one failed, if the engine tells
  #hints = 5;    // how often to look for why the server cannot be reached
  #options;
  #ws = null;
  #timer;        // of the connection, or of the attempt that is next
  #heard;        // something came since the timer was set
  #openedAt;
  #attempts = 0; // since a connection lasted
  #lastId = 0;
  #calls = new Map(); // by id and in its order: those without a reply
  /** @type {Map<string, Subscription>} */
  #subs = new Map();

  /**
   * @param {string|URL|(() => string|URL|Promise<string|URL>)} url ws://, wss:// or relative to the page; or
   *   a function that returns it for each attempt, for tokens that expire
   * @param {Options} [options]
   */
  constructor(url, options) {
    super();
    this.#options = { WebSocket: globalThis.WebSocket, ...DEFAULTS, ...options };
    if (!this.#options.WebSocket) throw new TypeError('there is no global WebSocket here: pass one, such as that of the package ws: new Fanfare(url, {WebSocket})');
    if (typeof url !== 'function') resolve(url); // so that it throws now
    this.#url = url;
    globalThis.addEventListener?.('online', this.#online);
    this.#connect();
  }

  /**
   * Subscribes to a topic, or to all that match a pattern, prices.* or prices.>.
   * @param {string} topic @param {SubscribeOptions|Handler} options @param {Handler} [handler] @returns {Subscription}
   */
  subscribe(topic, options, handler) {
    if (typeof options === 'function') [options, handler] = [{}, options];
    if (typeof handler !== 'function') throw new TypeError('there is no function for the messages: subscribe(topic, options, (message, meta) => ...)');
    if (this.state === 'closed') throw new FanfareError('closed', 'this Fanfare is closed', false);
    for (const other of this.#subs.keys()) {
      if (overlap(other, topic)) throw new FanfareError('subscribed', `${topic} has messages in common with ${other}, which is subscribed to already: use a second Fanfare`, false);
    }
    const sub = new Subscription(this, topic, options ?? {}, handler);
    this.#subs.set(topic, sub);
    if (this.state === 'open') sub._begin();
    return sub;
  }

  /**
   * Publishes a JSON value. If the connection breaks before the reply, it fails with the
   * code "lost": nobody knows whether it was published.
   * @param {string} topic @param {any} data @param {PublishOptions} [options] @returns {Promise<Receipt>}
   */
  publish(topic, data, { key, echo, retry } = {}) {
    return this.#ask({ do: 'publish', topic, data, key, echo }, retry);
  }

  /**
   * Returns messages that the topic holds, the last ones or those after a position; and
   * the position after them. more is true if there are more.
   * @param {string} topic @param {{last?: number, after?: string, limit?: number}} [options] @returns {Promise<History>}
   */
  async history(topic, { last, after, limit } = {}) {
    const { messages, position, more = false } = await this.#ask({ do: 'history', topic, last, after, limit }, true);
    return { messages: messages.map(m => ({ data: content(m), meta: metaOf(m, epochOf(position)) })), position, more };
  }

  /** Returns who is in the topic. @param {string} topic @returns {Promise<Person[]>} */
  async presence(topic) {
    return (await this.#ask({ do: 'presence', topic }, true)).present;
  }

  /** Ends it and its subscriptions for good. What waits for a reply fails with the code "closed". */
  close() {
    if (this.state === 'closed') return;
    for (const sub of [...this.#subs.values()]) sub._end();
    this.#lost(1000, 'close was called');
  }

  async #ask(request, again) {
    if (this.#calls.size >= this.#options.maxCalls) throw new FanfareError('busy', `${this.#calls.size} calls wait already: await some of them first`, false);
    return new Promise((done, fail) => this._call(request, done, fail, again, this.#options.timeout));
  }

  /** @internal calls back at once, where a promise would be later than the messages that follow */
  _call(request, done, fail, again = false, timeout = 0) {
    if (this.state === 'closed') return fail(new FanfareError('closed', 'this Fanfare is closed', false));
    const id = ++this.#lastId, call = { request, done, fail, again, waits: true, tried: false, timer: 0, text: JSON.stringify({ id, ...request }) };
    this.#calls.set(id, call);
    if (timeout) call.timer = setTimeout(() => this.#settle(id, this.#late(call, timeout)), timeout);
    if (this.state === 'open') this.#send(call);
  }

  #late(call, timeout) {
    const why = this.#cause ? `: ${this.#cause}` : '';
    return new FanfareError('timeout', call.tried ? `no reply for ${timeout} ms` : `no connection to ${this.#href ?? 'the server'} for ${timeout} ms${why}`, call.tried);
  }

  #send(call) {
    this.#ws.send(call.text);
    call.waits = false;
    call.tried = true;
  }

  #settle(id, error, ok) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    clearTimeout(call?.timer);
    if (ok?.position && call?.request.do === 'publish' && !call.request.echo) this.#subs.get(ok.topic)?._own(ok.position);
    error ? call?.fail(error) : call?.done(ok);
  }

  /** @internal */
  _forget(sub) {
    return this.#subs.get(sub.topic) === sub && this.#subs.delete(sub.topic);
  }

  /** @internal a random time, so that those who lost a server together do not return together */
  _delay(attempts) {
    return Math.random() * Math.min(this.#options.maxDelay, this.#options.minDelay * 2 ** attempts);
  }

  async #connect() {
    const timer = this.#after(this.#options.timeout, () => this.#lost(1006, 'the server does not answer'));
    try {
      const url = this.#href = resolve(typeof this.#url === 'function' ? await this.#url() : this.#url);
      if (timer !== this.#timer) return; // it took too long
      const ws = this.#ws = new this.#options.WebSocket(url, PROTOCOL);
      const on = (name, fn) => ws.addEventListener(name, e => { if (ws === this.#ws) fn(e); });
      on('message', e => this.#received(e.data));
      on('close', e => this.#lost(e.code, e.reason));
      on('error', ({ message = '' }) => {
        this.#cause = message; // browsers do not tell
        setTimeout(() => { // "close" should follow, but that of Node 20 may forget it
          if (ws === this.#ws) this.#lost(1006, message);
        }, 100);
      });
    } catch (e) {
      if (timer === this.#timer) this.#lost(1006, String(e));
    }
  }

  #after(ms, fn) {
    clearTimeout(this.#timer);
    return this.#timer = setTimeout(fn, ms);
  }

  /** Looks after the server now and then: a dead connection does not say that it is. */
  #watch(pinged = false) {
    this.#heard = false;
    this.#after(pinged ? this.#options.timeout : this.#options.pingInterval, () => {
      if (this.#heard) this.#watch();
      else if (pinged) this.#lost(1006, 'the server is silent');
      else this.#ping();
    });
  }

  #ping() {
    this.#ws.send(JSON.stringify({ id: ++this.#lastId, do: 'ping' })); // whatever comes is an answer
    this.#watch(true);
  }

  #online = () => {
    if (this.state === 'open') return this.#ping(); // it may be another network
    hangUp(this.#ws);
    this.#ws = null;
    this.#attempts = 0;
    this.#connect();
  };

  #received(text) {
    this.#heard = true;
    try {
      if (typeof text !== 'string') throw new TypeError('it is binary');
      this.#event(JSON.parse(text));
    } catch (error) {
      if (this.state !== 'open') return this.#lost(1006, `the server does not speak ${PROTOCOL}`);
      this.unreadable++;
      if (!this._emit('unreadable', { text, error })) console.warn(`fanfare: a message was skipped: ${error.message}`);
    }
  }

  #event(m) {
    if (this.state !== 'open' && !m.hello) throw new TypeError('the server has not said hello');
    if (m.offset !== undefined) this.#message(m);
    else if (m.ok) this.#settle(m.id, null, m.ok);
    else if (m.error) this.#settle(m.id, new FanfareError(m.error.code, m.error.message, true, m.error));
    else if (m.hello) this.#opened(m.hello);
    else this.#subs.get(m.presence ?? m.dropped ?? m.end)?._event(m);
  }

  #message(m) {
    if (m.topic[0] === '@') return this._emit('message', { message: content(m), meta: metaOf(m) }); // the user's own
    const exact = this.#subs.get(m.topic);
    if (exact) return exact._message(m);
    for (const sub of this.#subs.values()) if (sub.isPattern && overlap(sub.topic, m.topic)) return sub._message(m);
  }

  #opened({ client, user }) {
    this.state = 'open';
    this.#openedAt = Date.now();
    this.#watch();
    for (const sub of this.#subs.values()) sub._begin();
    for (const call of this.#calls.values()) if (call.waits) this.#send(call);
    this._emit('open', { client, user });
  }

  #lost(code, reason) {
    const { timeout, minDelay } = this.#options, ws = this.#ws, final = FINAL.has(code);
    if (this.#openedAt === undefined && code === 1006) this.#hint();
    if (this.state === 'open' && Date.now() - this.#openedAt > timeout) this.#attempts = 0;
    const retry = final ? null : this._delay(this.#attempts++) + (code === 1013 ? minDelay : 0); // 1013: later
    this.state = final ? 'closed' : 'connecting';
    this.#ws = null;
    hangUp(ws, code);
    this.#timer = final ? clearTimeout(this.#timer) : this.#after(retry, () => this.#connect());
    if (final) globalThis.removeEventListener?.('online', this.#online);
    const error = sent => new FanfareError(final ? 'closed' : 'lost', `the connection was closed with ${code}: ${reason}`, sent);
    for (const sub of [...this.#subs.values()]) final ? sub._failed(error(true)) : sub._pause();
    for (const [id, call] of [...this.#calls]) {
      if (call.again && !final && !FAULTY.has(code)) call.waits = true;
      else if (!call.waits || final) this.#settle(id, error(call.tried));
    }
    this._emit('close', { code, reason, retry });
  }

  /**
   * Says on the console, once, that the server does not let this page connect. The page is
   * not told that: but if the server answers others, and not this page, it is so.
   */
  async #hint() {
    const origin = globalThis.location?.origin, url = this.#href?.replace(/^ws/, 'http').replace(/#.*/, '');
    if (this.#hints === 0 || !url || !origin || !globalThis.fetch || new URL(url).origin === origin) return;
    this.#hints--;
    const answers = mode => fetch(url, { mode, cache: 'no-store', credentials: 'omit' }).then(() => true, () => false);
    if (!await answers('no-cors') || this.#hints === 0) return; // it cannot be reached at all
    this.#hints = 0;
    if (!await answers('cors')) console.error(`fanfare: ${url} answers, but not to pages of ${origin}: ${allow(origin)}`);
  }
}

/** What lets pages of an origin connect. Those of files have none that could be named. */
function allow(origin) {
  return /^https?:/.test(origin)
    ? `start the server with -origins ${origin} (in Go: wsproto.Server.Origins)`
    : 'serve the page over http instead of opening it as a file';
}

/**
 * A subscription; it ends with unsubscribe, close, "end" or "error". Events:
 *   live      {position, again}         it has begun after that position, or goes on
 *   gap       {after, oldest, latest}   messages are missing: it was after the first position, and goes on
 *                                       after the second. All are null for a pattern: nobody knows if any are
 *   presence  {joined, left}            people have, or have other data; sub.present is up to date
 *   dropped   {messages}                so many did not come: this client is slow
 *   end       {code, reason}            the server has ended it
 *   error     FanfareError              the server has refused it, or the connection for good
 */
export class Subscription extends Emitter {
  /** Who is in the topic, by id, if it was asked for. @type {Map<string, Person>} */
  present = new Map();
  #f;
  #options;
  #handler;
  #epoch;        // undefined: it never began
  #offset = 0;   // of the last message
  #own = new Set(); // offsets beyond it that were published here: their messages would come when it is resumed
  #live = false; // the server has said where it begins
  #ended = false;
  #timer;

  /** @internal */
  constructor(f, topic, options, handler) {
    super();
    this.topic = topic;
    this.isPattern = /[*>]/.test(topic);
    this.#f = f;
    this.#options = options;
    this.#handler = handler;
  }

  /** After the last message; null if it has not begun, or is by pattern. */
  get position() {
    return this.#epoch === undefined || this.isPattern ? null : `${this.#epoch}:${this.#offset}`;
  }

  /** Ends it. The handler is not called again. */
  unsubscribe() {
    const ignore = () => {};
    if (this._end() && this.#f.state === 'open') this.#f._call({ do: 'unsubscribe', topic: this.topic }, ignore, ignore);
  }

  /** @internal asks the server for what follows; after is null for what comes from now on */
  _begin(after = this.#epoch === undefined ? this.#options.after : this.position, gap = null, tries = 0) {
    const { presence, last } = this.#options, first = this.#epoch === undefined && !gap && !after;
    const request = { do: 'subscribe', topic: this.topic, presence, after: after ?? undefined, last: first ? last : undefined };
    this.#f._call(request, ok => this.#begun(ok, gap), e => {
      if (this.#ended || e.code === 'lost') return; // lost: with the next connection
      if (e.code === 'unavailable' || e.code === 'busy') {
        this.#timer = setTimeout(() => this._begin(after, gap, tries + 1), this.#f._delay(tries));
      } else if (e.code === 'too-old') { // what is held may go just as fast
        this._begin(tries < 2 ? e.oldest : null, { after: gap?.after ?? after, latest: e.latest }, tries + 1);
      } else {
        this._failed(e);
      }
    });
  }

  #begun({ position, present = [] }, gap) {
    if (this.#ended) return;
    const again = this.#epoch !== undefined, now = new Set(present.map(p => p.id));
    if (epochOf(position) !== this.#epoch) this.#own.clear();
    this.#epoch = epochOf(position);
    this.#offset = offsetOf(position);
    this.#live = true;
    if (gap) this._emit('gap', { ...gap, oldest: position });
    else if (again && this.isPattern) this._emit('gap', { after: null, oldest: null, latest: null });
    this._emit('live', { position: this.position, again });
    this.#presence(present, [...this.present.values()].filter(p => !now.has(p.id)));
  }

  /** @internal */
  _message(m) {
    if (!this.#live || !this.isPattern && m.offset <= this.#offset) return; // of an earlier one that has ended
    const own = this.#own.has(m.offset);
    if (!this.isPattern) this.#passed(m.offset);
    if (!own) guarded(this.#handler, content(m), metaOf(m, this.isPattern ? undefined : this.#epoch));
  }

  /** @internal is told of a message that this client does not get, since it has published it */
  _own(position) {
    const offset = offsetOf(position);
    if (this.isPattern || epochOf(position) !== this.#epoch || offset <= this.#offset || this.#own.size > 1000) return;
    this.#own.add(offset);
    this.#passed(this.#offset);
  }

  #passed(offset) {
    while (this.#own.has(offset + 1)) offset++;
    this.#offset = offset;
    for (const n of this.#own) if (n <= offset) this.#own.delete(n);
  }

  /** @internal */
  _event(m) {
    if (!this.#live) return;
    if (m.presence) return this.#presence(m.joined ?? [], m.left ?? []);
    if (m.dropped) return this._emit('dropped', { messages: m.messages });
    this._end();
    this._emit('end', { code: m.code, reason: m.reason ?? '' });
  }

  #presence(joined, left) {
    left = left.map(p => this.present.get(p.id)).filter(p => p && this.present.delete(p.id)); // with their data
    joined = joined.filter(p => !this.present.has(p.id) || JSON.stringify(p.data) !== JSON.stringify(this.present.get(p.id).data));
    for (const p of joined) this.present.set(p.id, p);
    if (joined.length + left.length > 0) this._emit('presence', { joined, left });
  }

  /** @internal */
  _failed(error) {
    this._end();
    if (!this._emit('error', error) && !this.#f._emit('error', error) && error.code !== 'closed') console.error(`fanfare: ${this.topic}: ${error.message}`);
  }

  /** @internal */
  _pause() {
    this.#live = false;
    clearTimeout(this.#timer);
  }

  /** @internal reports whether it had not ended */
  _end() {
    this._pause();
    this.#ended = true;
    return this.#f._forget(this);
  }
}

/** Calls what is the program's: its errors are reported, and disturb nothing here. */
function guarded(fn, ...args) {
  try {
    fn(...args);
  } catch (e) {
    globalThis.reportError ? reportError(e) : console.error(e);
  }
}

/** Returns the URL of a WebSocket for one that may be http or relative to the page. */
function resolve(url) {
  const u = new URL(url, globalThis.location?.href);
  u.protocol = u.protocol.replace(/^http/, 'ws');
  if (!/^wss?:$/.test(u.protocol)) throw new TypeError(`${url} is no URL of a WebSocket: it has to begin with ws:// or wss://`);
  return u.href;
}

/** Gives a socket up, without waiting for one that may be dead. */
function hangUp(ws, code) {
  if (code !== 1000 && ws?.terminate) ws.terminate(); // of the package ws
  else ws?.close(1000);
}

/** Reports whether any topic matches both; each may be a pattern, or the name of one. */
function overlap(a, b) {
  const x = a.split('.'), y = b.split('.');
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] === '>' || y[i] === '>') return true;
    if (x[i] !== y[i] && x[i] !== '*' && y[i] !== '*') return false;
  }
  return x.length === y.length;
}

const epochOf = position => position?.split(':')[0];
const offsetOf = position => Number(position.split(':')[1]);

function content(m) {
  if (m.base64 !== undefined) return Uint8Array.from(atob(m.base64), c => c.charCodeAt(0));
  return m.text ?? m.data;
}

function metaOf({ topic, offset, time, key }, epoch) {
  return { topic, offset, position: epoch === undefined ? null : `${epoch}:${offset}`, time: new Date(time), key };
}
