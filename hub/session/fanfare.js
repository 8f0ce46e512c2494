// fanfare.js: a client of Fanfare for browsers and Node, in one file.
//
//   import { Fanfare } from 'https://example.org/fanfare.js';
//
//   const f = new Fanfare('wss://example.org/hub');
//   const news = f.subscribe('news', { last: 50 }, (message, meta) => show(message, meta.time));
//   news.on('gap', () => reload());
//   await f.publish('news', { text: 'hello' });
//
// The client reconnects by itself and resumes each subscription after the last message that
// it has received, so the handler gets every message of a topic once and in order. If the
// server no longer holds the missed messages, as for a topic without history, the client
// emits a "gap" event and continues with the messages that the server holds. A subscription
// to a pattern cannot be resumed; it starts anew, with a gap.
//
// With the option token, a string or a function that returns one, the client sends the token
// in a message, never in the URL:
//
//   const f = new Fanfare('wss://example.org/hub', { token: why => fetch('/token').then(r => r.text()) });
//
// The token belongs to the client, not to the connection: when it reconnects, it sends the same
// token again while that may be valid. It asks for a new one, and sends it without reconnecting,
// when 50 to 80 % of the token's life are over, and before it reconnects if the server has refused
// the last one (close code 4401). A function that cannot have a token now throws, and is called
// again later, as is one that has not answered within the option timeout. If there will be none, because the user has logged out, it returns null or
// throws an error whose code is "unauthorized": the client is then closed, for good, as soon as
// the last token is no longer valid. If a new token belongs to another user, the client reconnects,
// and its subscriptions resume with the rights of that user.
//
// The protocol is fanfare.v1. For Node, save the file as fanfare.mjs. Node has a global
// WebSocket from version 22 on; with an older version, pass that of the package ws:
// new Fanfare(url, { WebSocket }).
//
// A WebSocket does not say why a handshake has failed. The client asks the server by fetch, once for
// each failure, and names the reason in its "close" event; without a listener it writes the first
// one to the console. It does not come back after 401, 403 or 410, and respects Retry-After. If
// the server refuses the page's origin, it writes that to the console, once. It skips a message that it cannot parse, counts it
// (f.unreadable), and emits an "unreadable" event; without a listener it warns on the console.

const PROTOCOL = 'fanfare.v1';
const DEFAULTS = { minDelay: 500, maxDelay: 30_000, pingInterval: 25_000, timeout: 10_000, maxCalls: 10_000 };

/** Close codes with which a server rejects this client for good. */
const FINAL = new Set([1000, 1008, 1010, 3000, 3003, 4403]);

/** The close code for a token that has expired, was revoked or is missing. */
const UNAUTHORIZED = 4401;

/** Close codes of a server that stops and closes all its connections. */
const RESTART = new Set([1001, 1012]);

/** Close codes that ask to come back later. */
const LATER = new Set([1013, 4429]);

/** HTTP statuses with which a server rejects this client for good. */
const DENIED = new Set([401, 403, 410]);

/** The time in ms to find out why a handshake has failed, and the longest Retry-After that is respected. */
const ASK_TIMEOUT = 5000, MAX_RETRY_AFTER = 600_000;

/** The longest time that setTimeout takes. It calls the function at once after a longer one, such as Infinity. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** How long after the first attempt, in ms, a message is sent again. Servers remember idempotency keys for longer. */
const RETRY_FOR = 120_000;

/** Calls fn after ms. */
const later = (fn, ms) => setTimeout(fn, Math.min(ms, MAX_TIMEOUT));

/** Returns the time in ms, which does not jump when the clock is set. */
const now = () => performance.now();

/** Close codes that complain about a message, which must not be sent again. */
const FAULTY = new Set([1002, 1003, 1007, 1009]);

/**
 * @typedef {object} Options times are in milliseconds
 * @property {string|((why: "first"|"expiring"|"refused") => string|null|Promise<string|null>)} [token] the token, or a
 *   function that returns it; why says what happened to the last one
 * @property {any} [WebSocket] the class to use; default: the global one
 * @property {number} [minDelay] the longest delay before the first attempt to reconnect; it doubles with each attempt
 * @property {number} [maxDelay] the upper bound of that
 * @property {number} [pingInterval] the silence after which the client pings the server
 * @property {number} [timeout] how long to wait for a connection, for the token function, and for each reply
 * @property {number} [maxCalls] how many calls may wait for a reply or a connection at a time
 *
 * @typedef {object} SubscribeOptions
 * @property {number} [last] start with that many of the latest messages
 * @property {string} [after] start after this position: a meta.position, or a sub.position
 * @property {boolean} [presence] maintain sub.present, and emit "presence" when it changes
 *
 * @typedef {object} PublishOptions
 * @property {string} [key] in a topic that conflates, the message supersedes the previous one with the same key
 * @property {boolean} [echo] deliver the message to this client too
 * @property {boolean} [retry] send it again if the connection breaks before the reply, for two minutes; the server publishes
 *   it once, as the requests have the same idempotency key, unless it has restarted meanwhile
 * @property {string} [idempotencyKey] that key, of 16 to 255 bytes; a random one by default. With a key of its own a program can
 *   publish a message once even if it restarts; another message with the same key fails with the code "key-reused"
 *
 * @typedef {{topic: string, offset: number, position: string|null, time: Date, key?: string}} Meta
 *   position is that of the message; null if it was received through a pattern
 * @typedef {(message: any, meta: Meta) => void} Handler
 *   message is any JSON value; a string if it was published as text, a Uint8Array if as binary
 * @typedef {{id: string, data?: any}} Person
 * @typedef {{topic: string, position: string, receivers: number}} Receipt
 * @typedef {{messages: {data: any, meta: Meta}[], position?: string, more: boolean}} History
 */

/** An error with a code of the protocol, such as "forbidden", or "lost", "timeout", "closed", "busy" or "unauthorized". */
export class FanfareError extends Error {
  name = 'FanfareError';

  /** @param {string} code @param {string} message @param {boolean} [sent] @param {{oldest?: string, latest?: string, retry?: number}} [more] */
  constructor(code, message, sent = true, more = {}) {
    super(message);
    this.code = code;
    this.sent = sent; // whether the server may have received the request
    this.oldest = more.oldest; // if the code is too-old: the topic holds all messages after this position
    this.latest = more.latest;
    this.retry = more.retry; // ms after which the request may be sent again, mostly if the code is rate-limited
  }
}

class Emitter {
  /** @type {Map<string, Set<Function>>} */
  #listeners = new Map();

  /**
   * Calls fn for each event of that name, until the returned function is called.
   * @param {string} name @param {(event: any) => void} fn @returns {() => void}
   */
  on(name, fn) {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(fn));
    return () => { all.delete(fn); };
  }

  /** @internal reports whether there is a listener */
  _emit(name, event) {
    const all = [...this.#listeners.get(name) ?? []];
    for (const fn of all) guarded(fn, event);
    return all.length > 0;
  }
}

/**
 * A connection that reconnects by itself. Events:
 *   open     {client, user}          the client has connected, for the first time or again
 *   close    {code, reason, retry, status}   the connection, or an attempt, has ended; the next attempt is in retry ms,
 *                                    null: never; status is the server's HTTP status if it has refused the handshake
 *   message  {message, meta}         a message to the user, without a subscription; lost if sent while not connected
 *   error    FanfareError            an error of a subscription that has no error listener of its own
 *   unreadable  {text, error}        a message of the server was skipped, because it cannot be parsed
 */
export class Fanfare extends Emitter {
  /** @type {"connecting"|"open"|"closed"} */
  state = 'connecting';
  /** How many messages of the server could not be parsed. */
  unreadable = 0;
  #url;
  #href;         // the URL of the current attempt
  #cause = '';   // why the last attempt failed, if the engine says
  #hints = 5;    // how many more times to find out why the server cannot be reached
  #options;
  #ws = null;
  #timer;        // of the connection, or of the next attempt
  #heard;        // a message has arrived since the timer was set
  #openedAt;
  #denied = 0;   // how many handshakes in a row the server has refused for good
  #told = false; // a failure was written to the console
  #token;        // the last one
  #expires = Infinity; // when it expires, as far as known
  #refused = false;    // the server has refused it
  #refusal = ''; // why
  #noToken;      // the error of a program that has no further tokens
  #fetching;     // the promise of a token
  #asked = 0;    // calls of the token function
  #answered = 0; // the last one of them that has returned
  #renewal;      // the timer
  #renewals = 0; // attempts to renew the token that were of no use
  #attempts = 0; // since a connection that lasted longer than the timeout
  #lastId = 0;
  #calls = new Map(); // calls without a reply, by id and in that order
  /** @type {Map<string, Subscription>} */
  #subs = new Map();

  /**
   * @param {string|URL|(() => string|URL|Promise<string|URL>)} url ws://, wss:// or relative to the page; or
   *   a function that is called for each attempt and returns the URL, for tokens that expire
   * @param {Options} [options]
   */
  constructor(url, options) {
    super();
    this.#options = { WebSocket: globalThis.WebSocket, ...DEFAULTS, ...options };
    if (!this.#options.WebSocket) throw new TypeError('there is no global WebSocket: pass a class, such as that of the package ws: new Fanfare(url, {WebSocket})');
    if (typeof url !== 'function') resolve(url); // throws if the URL is invalid
    this.#url = url;
    globalThis.addEventListener?.('online', this.#online);
    this.#connect();
  }

  /**
   * Subscribes to a topic, or to all topics that match a pattern such as prices.* or prices.>.
   * @param {string} topic @param {SubscribeOptions|Handler} options @param {Handler} [handler] @returns {Subscription}
   */
  subscribe(topic, options, handler) {
    if (typeof options === 'function') [options, handler] = [{}, options];
    if (typeof handler !== 'function') throw new TypeError('the message handler is missing: subscribe(topic, options, (message, meta) => ...)');
    if (this.state === 'closed') throw new FanfareError('closed', 'this Fanfare is closed', false);
    for (const other of this.#subs.keys()) {
      if (overlap(other, topic)) throw new FanfareError('subscribed', `${topic} has messages in common with ${other}, to which this Fanfare is already subscribed: use a second Fanfare`, false);
    }
    const sub = new Subscription(this, topic, options ?? {}, handler);
    this.#subs.set(topic, sub);
    if (this.state === 'open') sub._begin();
    return sub;
  }

  /**
   * Publishes a JSON value. If the connection breaks before the reply, publish fails with the
   * code "lost", because the client cannot know whether the server has published the message.
   * @param {string} topic @param {any} data @param {PublishOptions} [options] @returns {Promise<Receipt>}
   */
  publish(topic, data, { key, echo, retry, idempotencyKey = retry ? randomKey() : undefined } = {}) {
    return this.#ask({ do: 'publish', topic, data, key, echo, idempotency_key: idempotencyKey }, retry);
  }

  /**
   * Returns messages that the topic holds, the latest ones or those after a position, and the
   * position of the last of them. more is true if the topic holds further messages.
   * @param {string} topic @param {{last?: number, after?: string, limit?: number}} [options] @returns {Promise<History>}
   */
  async history(topic, { last, after, limit } = {}) {
    const { messages, position, more = false } = await this.#ask({ do: 'history', topic, last, after, limit }, true);
    return { messages: messages.map(m => ({ data: content(m), meta: metaOf(m, epochOf(position)) })), position, more };
  }

  /** Returns the people in the topic. @param {string} topic @returns {Promise<Person[]>} */
  async presence(topic) {
    return (await this.#ask({ do: 'presence', topic }, true)).present;
  }

  /** Closes the connection and its subscriptions for good. Calls in progress fail with the code "closed". */
  close() {
    if (this.state === 'closed') return;
    for (const sub of [...this.#subs.values()]) sub._end();
    this.#lost(1000, 'close was called');
  }

  async #ask(request, again) {
    if (this.#calls.size >= this.#options.maxCalls) throw new FanfareError('busy', `${this.#calls.size} calls are in progress, of at most ${this.#options.maxCalls}: await some of them first`, false);
    return new Promise((done, fail) => this._call(request, done, fail, again, this.#options.timeout));
  }

  /** @internal takes callbacks, because a promise would be settled after the messages that follow the reply */
  _call(request, done, fail, again = false, timeout = 0) {
    if (this.state === 'closed') return fail(new FanfareError('closed', 'this Fanfare is closed', false));
    const id = ++this.#lastId, call = { request, done, fail, again, waits: true, tried: 0, timer: 0, text: JSON.stringify({ id, ...request }) };
    this.#calls.set(id, call);
    if (timeout) call.timer = later(() => this.#settle(id, this.#late(call, timeout)), timeout);
    if (this.state === 'open') this.#send(call);
  }

  #late(call, timeout) {
    const why = this.#cause ? `: ${this.#cause}` : '';
    return new FanfareError('timeout', call.tried ? `no reply for ${timeout} ms` : `no connection to ${place(this.#href)} for ${timeout} ms${why}`, call.tried > 0);
  }

  #send(call) {
    this.#ws.send(call.text);
    call.waits = false;
    call.tried ||= now();
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

  /** @internal returns a random delay, so that clients that lose a server together do not return together */
  _delay(attempts) {
    return Math.random() * Math.min(this.#options.maxDelay, this.#options.minDelay * 2 ** attempts);
  }

  async #connect() {
    const { timeout, token, WebSocket } = this.#options, timer = this.#after(timeout, () => this.#lost(1006, this.#timedOut()));
    const here = () => timer === this.#timer; // otherwise the attempt has timed out, or another one has replaced it
    try {
      if (token !== undefined) await this.#fetchToken(here);
      if (!here()) return;
      const url = resolve(typeof this.#url === 'function' ? await this.#url() : this.#url, token !== undefined);
      if (!here()) return;
      this.#href = url;
      this.#listen(new WebSocket(url, PROTOCOL));
    } catch (e) {
      if (here()) this.#lost(1006, e === this.#noToken ? e.message : String(e), { final: e === this.#noToken, error: 'unauthorized' });
    }
  }

  #timedOut() {
    return `the attempt to connect timed out${this.#fetching ? ', because the token function has not answered' : ''}`;
  }

  #listen(ws) {
    let opened = false;
    this.#ws = ws;
    const on = (name, fn) => ws.addEventListener(name, e => { if (ws === this.#ws) fn(e); });
    const ended = (code, reason) => opened ? this.#lost(code, reason) : this.#explain(reason || this.#cause);
    on('open', () => {
      opened = true;
      if (this.#token !== undefined) ws.send(JSON.stringify({ id: ++this.#lastId, do: 'auth', token: this.#token }));
    });
    on('message', e => this.#received(e.data));
    on('close', e => ended(e.code, e.reason));
    on('error', ({ message = '' }) => {
      this.#cause = message; // browsers give no message
      setTimeout(() => { // "close" should follow, but the WebSocket of Node 20 may omit it
        if (ws === this.#ws) ended(1006, message);
      }, 100);
    });
  }

  /** Finds out why a handshake has failed, and ends the attempt. */
  async #explain(reason) {
    hangUp(this.#ws);
    this.#ws = null;
    const limit = Math.min(ASK_TIMEOUT, this.#options.timeout), timer = this.#after(limit, () => this.#lost(1006, reason));
    const said = await ask(this.#href, limit);
    if (timer !== this.#timer) return; // the time is over, or the client was closed
    this.#denied = DENIED.has(said?.status) ? this.#denied + 1 : 0;
    if (said) this.#cause = said.reason;
    else if (this.#openedAt === undefined) this.#hint();
    // A connection that was open before proves that the server lets this client in; a gateway may answer for it now.
    const final = this.#denied >= (this.#openedAt === undefined ? 1 : 3);
    this.#lost(1006, said?.reason ?? reason, { final, status: said?.status, wait: said?.retryAfter });
  }

  /**
   * Has a token that may be valid, or throws. why is set to renew one that still is. here says whether the
   * caller still needs it: those that have waited for the same call go on one after the other.
   */
  async #fetchToken(here, why) {
    while (this.#fetching) {
      await this.#fetching.catch(() => {});
      if (!here()) return;
    }
    why ??= this.#token === undefined ? 'first' : this.#refused ? 'refused' : now() >= this.#expires ? 'expiring' : null;
    if (!why) return;
    if (this.#noToken) throw this.#noToken;
    return this.#fetching = bounded(this.#askForToken(why), this.#options.timeout).finally(() => { this.#fetching = null; });
  }

  async #askForToken(why) {
    const { token } = this.#options, call = ++this.#asked;
    let value = why === 'first' ? token : null, cause;
    try {
      if (typeof token === 'function') value = await token(why);
    } catch (e) {
      if (e?.code !== 'unauthorized') throw e;
      [value, cause] = [null, e];
    }
    if (call < this.#answered) return; // it was late, and a later call has returned before it
    this.#answered = call;
    if (!value) throw this.#noToken = new FanfareError('unauthorized', `there is no valid token: ${cause?.message ?? (this.#refused ? this.#refusal : `the last one is ${why}`)}`, false);
    if (typeof value !== 'string') throw new TypeError(`the token is of type ${typeof value}; it must be a string`);
    this.#token = value;
    this.#refused = false;
    this.#expires = Infinity;
  }

  /** Has the token renewed at a random moment before it expires. */
  #accepted(expires) {
    const wait = expires * (0.5 + 0.3 * Math.random()), soon = wait < this.#options.minDelay;
    if (!expires || this.#options.token === undefined) {
      this.#renewals = 0;
      return;
    }
    this.#expires = now() + expires;
    if (soon && this.#renewals > 0) return this.#renewAgain('expiring'); // the function returns a token that has almost expired
    this.#renewals = soon ? 1 : 0;
    this.#renewLater('expiring', wait);
  }

  #renewLater(why, ms) {
    clearTimeout(this.#renewal);
    this.#renewal = later(() => this.#renew(why), ms);
  }

  #renewAgain(why, atLeast = 0) {
    this.#renewLater(why, Math.max(this.#options.minDelay / 2 + this._delay(this.#renewals++), atLeast));
  }

  /** Sends a new token on the connection; the last one again if why is null. */
  async #renew(why) {
    const ws = this.#ws, here = () => ws === this.#ws && this.state === 'open';
    try {
      if (why) await this.#fetchToken(here, why);
    } catch (e) { // the last token is used while it is valid
      if (here() && e !== this.#noToken) this.#renewAgain(why);
      return;
    }
    if (!here()) return; // the next connection sends the token
    this._call({ do: 'auth', token: this.#token }, ok => this.#accepted(ok.expires), e => this.#notRenewed(e), false, this.#options.timeout);
  }

  /** Takes the error of a renewal. */
  #notRenewed(e) {
    if (e.code === 'lost' || e.code === 'closed') return; // the next connection sends the token
    if (temporary(e) || e.code === 'timeout') return this.#renewAgain(null, e.retry);
    if (e.code === 'bad-request') return; // the server takes no tokens; the last one is used while it is valid
    if (e.code === 'forbidden') return this.#lost(1006, e.message); // it is for another user, who needs another connection
    [this.#refused, this.#refusal] = [true, e.message];
    this.#renewAgain('refused');
  }

  #after(ms, fn) {
    clearTimeout(this.#timer);
    return this.#timer = later(fn, ms);
  }

  /** Pings the server when it is silent, since a dead connection may cause no event. */
  #watch(pinged = false) {
    this.#heard = false;
    this.#after(pinged ? this.#options.timeout : this.#options.pingInterval, () => {
      if (this.#heard) this.#watch();
      else if (pinged) this.#lost(1006, 'the server did not answer a ping');
      else this.#ping();
    });
  }

  #ping() {
    this.#ws.send(JSON.stringify({ id: ++this.#lastId, do: 'ping' })); // any message counts as an answer
    this.#watch(true);
  }

  #online = () => {
    if (this.state === 'open') return this.#ping(); // this may be a different network
    hangUp(this.#ws);
    this.#ws = null;
    this.#attempts = 0;
    this.#connect();
  };

  #received(text) {
    this.#heard = true;
    try {
      if (typeof text !== 'string') throw new TypeError('the message is binary; it must be text');
      this.#event(JSON.parse(text));
    } catch (error) {
      if (this.state !== 'open') return this.#lost(1006, `the server does not speak ${PROTOCOL}`);
      this.unreadable++;
      if (!this._emit('unreadable', { text, error })) console.warn(`fanfare: skipped an unreadable message: ${error.message}`);
    }
  }

  #event(m) {
    if (this.state !== 'open' && !m.hello) throw new TypeError('the first message must be a hello');
    if (m.offset !== undefined) this.#message(m);
    else if (m.ok) this.#settle(m.id, null, m.ok);
    else if (m.error) this.#settle(m.id, new FanfareError(m.error.code, m.error.message, true, m.error));
    else if (m.hello) this.#opened(m.hello);
    else this.#subs.get(m.presence ?? m.dropped ?? m.end)?._event(m);
  }

  #message(m) {
    if (m.topic[0] === '@') return this._emit('message', { message: content(m), meta: metaOf(m) }); // sent to the user
    const exact = this.#subs.get(m.topic);
    if (exact) return exact._message(m);
    for (const sub of this.#subs.values()) if (sub.isPattern && overlap(sub.topic, m.topic)) return sub._message(m);
  }

  #opened({ client, user, expires }) {
    this.state = 'open';
    this.#openedAt = now();
    this.#denied = 0;
    this.#watch();
    this.#accepted(expires);
    this.#sendAgain();
    for (const sub of this.#subs.values()) sub._begin();
    for (const call of this.#calls.values()) if (call.waits) this.#send(call);
    this._emit('open', { client, user });
  }

  /**
   * Publishes again what was sent on an earlier connection. That comes before the subscriptions: the replies say which
   * messages are the client's own, which it would receive when it resumes.
   */
  #sendAgain() {
    for (const [id, call] of [...this.#calls]) {
      if (!call.waits || !call.tried || call.request.do !== 'publish') continue;
      if (now() - call.tried <= RETRY_FOR) this.#send(call);
      else this.#settle(id, new FanfareError('lost', 'the connection was lost before the reply, and the server may have forgotten the message since'));
    }
  }

  #lost(code, reason, { final = FINAL.has(code), error: kind = 'closed', status, wait = 0 } = {}) {
    const { timeout, minDelay } = this.#options, ws = this.#ws;
    if (code === UNAUTHORIZED) [this.#refused, this.#refusal] = [true, reason];
    clearTimeout(this.#renewal);
    if (this.state === 'open' && now() - this.#openedAt > timeout) this.#attempts = 0;
    if (RESTART.has(code)) this.#attempts = Math.max(this.#attempts, 1); // its other clients come, too
    const retry = final ? null : this._delay(this.#attempts++) + (LATER.has(code) ? minDelay : wait);
    this.state = final ? 'closed' : 'connecting';
    this.#ws = null;
    hangUp(ws, code);
    this.#timer = final ? clearTimeout(this.#timer) : this.#after(retry, () => this.#connect());
    if (final) globalThis.removeEventListener?.('online', this.#online);
    const error = sent => new FanfareError(final ? kind : 'lost', `the connection was closed with ${code}: ${reason}`, sent);
    for (const sub of [...this.#subs.values()]) final ? sub._failed(error(true)) : sub._pause();
    for (const [id, call] of [...this.#calls]) {
      if (call.again && !final && !FAULTY.has(code)) call.waits = true;
      else if (!call.waits || final) this.#settle(id, error(call.tried > 0));
    }
    const tell = final ? code !== 1000 : this.#openedAt === undefined && !this.#told;
    if (!this._emit('close', { code, reason, retry, status }) && tell) {
      this.#told = true;
      console.error(`fanfare: ${this.#openedAt === undefined ? 'cannot connect' : 'connection closed with ' + code} to ${place(this.#href)}: ${reason || 'the reason is not known'}${final ? '' : '; trying again'}`);
    }
  }

  /**
   * Writes to the console, once, that the server refuses connections from this page. A browser
   * does not tell the page so; the client infers it if the server answers a request that hides
   * the response from the page, and not a request that shows it.
   */
  async #hint() {
    const origin = globalThis.location?.origin, url = this.#href?.replace(/^ws/, 'http').replace(/#.*/, '');
    if (this.#hints === 0 || !url || !origin || !globalThis.fetch || new URL(url).origin === origin) return;
    this.#hints--;
    const answers = mode => fetch(url, { mode, cache: 'no-store', credentials: 'omit' }).then(() => true, () => false);
    if (!await answers('no-cors') || this.#hints === 0) return; // the server cannot be reached at all
    this.#hints = 0;
    if (!await answers('cors')) console.error(`fanfare: ${place(url)} refuses connections from pages of ${origin}: ${allow(origin)}`);
  }
}

/** Says how to permit an origin. Pages opened as files have no origin that could be named. */
function allow(origin) {
  return origin !== 'null' && !origin.startsWith('file:')
    ? `start the server with -origins ${origin} (in Go: wsproto.Server.Origins)`
    : 'serve the page over http instead of opening it as a file';
}

/**
 * A subscription. It ends with unsubscribe, close, "end" or "error". Events:
 *   live      {position, again}         the subscription is established after that position, for the first time or again
 *   gap       {after, oldest, latest}   messages are missing: the subscription was at the position after and continues
 *                                       after oldest. All are null for a pattern, where messages may or may not be missing
 *   presence  {joined, left}            people have joined, have changed their data, or have left; sub.present is up to date
 *   dropped   {messages}                that many messages were dropped, because this client is slow
 *   end       {code, reason}            the server has ended the subscription
 *   error     FanfareError              the server has refused the subscription, or has rejected the client
 */
export class Subscription extends Emitter {
  /** The people in the topic, by id, with the option presence. @type {Map<string, Person>} */
  present = new Map();
  #f;
  #options;
  #handler;
  #epoch;        // undefined until it is established
  #offset = 0;   // of the last message
  #own = new Set(); // later offsets that this client has published: it would receive those messages when it resumes
  #live = false; // it is established on the current connection
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

  /** The position of the last message; null if the subscription is not established yet, or is to a pattern. */
  get position() {
    return this.#epoch === undefined || this.isPattern ? null : `${this.#epoch}:${this.#offset}`;
  }

  /** Ends the subscription. The handler is not called again. */
  unsubscribe() {
    const ignore = () => {};
    if (this._end() && this.#f.state === 'open') this.#f._call({ do: 'unsubscribe', topic: this.topic }, ignore, ignore);
  }

  /** @internal sends the request to subscribe; after is null to start with all that the topic holds, if there is a gap */
  _begin(after = this.#epoch === undefined ? this.#options.after : this.position, gap = null, tries = 0) {
    const { presence, last } = this.#options, first = this.#epoch === undefined && !gap && !after;
    const request = { do: 'subscribe', topic: this.topic, presence, after: after ?? undefined, last: first ? last : gap && !after ? 0x7fffffff : undefined };
    this.#f._call(request, ok => this.#begun(ok, gap), e => {
      if (this.#ended || e.code === 'lost') return; // lost: the next connection subscribes again
      if (temporary(e)) {
        this.#timer = later(() => this._begin(after, gap, tries + 1), Math.max(this.#f._delay(tries), e.retry ?? 0));
      } else if (e.code === 'too-old' && request.after) { // the oldest message may be dropped before the next request arrives, too; a topic that does not exist yet has another epoch each time
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
    if (!this.#live || !this.isPattern && m.offset <= this.#offset) return; // of an earlier subscription to the topic
    const own = this.#own.has(m.offset);
    if (!this.isPattern) this.#passed(m.offset);
    if (!own) guarded(this.#handler, content(m), metaOf(m, this.isPattern ? undefined : this.#epoch));
  }

  /** @internal records the position of a message that this client has published and so does not receive */
  _own(position) {
    const offset = offsetOf(position);
    if (this.isPattern || epochOf(position) !== this.#epoch || offset <= this.#offset || this.#own.size > 1000) return;
    this.#own.add(offset);
    if (this.#live) this.#passed(this.#offset); // otherwise the reply to subscribe says where the subscription is
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

/** Calls a function of the program. Its exceptions are reported, and do not disturb the client. */
function guarded(fn, ...args) {
  try {
    fn(...args);
  } catch (e) {
    globalThis.reportError ? reportError(e) : console.error(e);
  }
}

/** Returns the result of a promise, or throws when it is not settled in time. */
function bounded(promise, ms) {
  let timer;
  const late = new Promise((_, fail) => { timer = later(() => fail(new Error(`the token function has not answered for ${ms} ms`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Returns a key that nobody else has. crypto.randomUUID is missing on pages without TLS, and crypto itself in Node 18. */
function randomKey() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto) crypto.getRandomValues(bytes);
  else bytes.forEach((_, i) => { bytes[i] = Math.random() * 256; });
  return Array.from(bytes, n => n.toString(16).padStart(2, '0')).join('');
}

/** Reports whether the same request may succeed later. */
const temporary = error => error.code === 'unavailable' || error.code === 'busy' || error.code === 'rate-limited';

/** Returns a URL for people: without its query, which may have secrets. */
const place = url => url?.replace(/[?#].*/, '') ?? 'the server';

/**
 * Asks the server by HTTP what it has against a handshake at the URL; null if it does not say.
 * @returns {Promise<{status: number, reason: string, retryAfter: number}|null>}
 */
async function ask(url, timeout) {
  if (!globalThis.fetch || !url) return null;
  const stop = new AbortController(), timer = later(() => stop.abort(), timeout);
  try {
    const response = await answer(url.replace(/^ws/, 'http').replace(/#.*/, ''), stop.signal), { status, headers } = response;
    const text = await firstLine(response);
    return { status, reason: `the server answered ${status}${text && `: ${text}`}${advice(status)}`, retryAfter: retryAfter(headers.get('Retry-After')) };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

/** Fetches with cookies, as a handshake has; a server that permits all pages lets them read only what needs none. */
async function answer(url, signal) {
  const get = credentials => fetch(url, { credentials, signal, cache: 'no-store', redirect: 'follow' });
  try {
    return await get('include');
  } catch (e) {
    if (!globalThis.location || signal.aborted || new URL(url).origin === location.origin) throw e;
    return get('omit');
  }
}

/** Returns the start of a response, which is JSON with a member error, or text. */
async function firstLine(response) {
  const { value } = await response.body?.getReader().read() ?? {}, text = new TextDecoder().decode(value?.slice(0, 2000));
  if (/html/.test(response.headers.get('Content-Type'))) return '';
  try {
    return String(JSON.parse(text).error ?? '');
  } catch {
    return text.trim().split('\n')[0].slice(0, 300);
  }
}

/** Says what a status means for a handshake. */
function advice(status) {
  if (status === 404) return ' (is the path of the URL right?)';
  if (status === 421) return ' (is the host of the URL right?)';
  if (status === 426) return ' (the URL is right, but the handshake failed: does a proxy in between pass on upgrades?)';
  return status < 400 ? ' (there is no WebSocket at this URL)' : '';
}

/** Converts the field Retry-After, which is in seconds or a date, to milliseconds. */
function retryAfter(field) {
  const ms = /^\d+$/.test(field) ? field * 1000 : Date.parse(field) - Date.now();
  return Math.min(Math.max(ms || 0, 0), MAX_RETRY_AFTER);
}

/** Converts a URL, which may be http or relative to the page, to that of a WebSocket; if auth is set, whose token follows. */
function resolve(url, auth = false) {
  const u = new URL(url, globalThis.location?.href);
  u.protocol = u.protocol.replace(/^http/, 'ws');
  if (!/^wss?:$/.test(u.protocol)) throw new TypeError(`${url} is not the URL of a WebSocket: it must begin with ws:// or wss://`);
  if (auth) u.search += `${u.search ? '&' : '?'}auth=message`;
  return u.href;
}

/** Abandons a socket, without waiting for the other side, which may be dead. */
function hangUp(ws, code) {
  if (code !== 1000 && ws?.terminate) ws.terminate(); // of the package ws
  else ws?.close(1000);
}

/** Reports whether any topic matches both a and b, each of which is a pattern or a topic. */
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
