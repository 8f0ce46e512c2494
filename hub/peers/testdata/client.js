// A Client drives fanfare.js for the tests, and records its events for them to inspect.
class Client {
  constructor(url, options) {
    this.log = []; // of events: [name, event]
    const quick = { minDelay: 2, maxDelay: 20 };
    this.f = new fanfare.Fanfare(url, { ...quick, ...(globalThis.options ?? {}), ...options });
    for (const name of ['open', 'close', 'message', 'error']) this.f.on(name, event => this.log.push([name, plain(event)]));
    this.subs = {};
  }

  subscribe(topic, options) {
    const sub = this.f.subscribe(topic, options, (message, meta) => this.log.push(['got', { topic, message: plain(message), meta: plain(meta) }]));
    for (const name of ['live', 'gap', 'presence', 'dropped', 'end', 'error']) sub.on(name, event => this.log.push([name, { topic, ...plain(event) }]));
    this.subs[topic] = sub;
  }

  // numbers subscribes to a topic whose messages are 1, 2, 3 and so on, and checks their order.
  numbers(topic) {
    const n = this.counted = { last: 0, wrong: [], gaps: 0, began: 0 };
    const sub = this.f.subscribe(topic, (message, meta) => {
      if (message.n !== n.last + 1 || meta.offset !== message.n) n.wrong.push([n.last, message.n, meta.offset]);
      n.last = message.n;
    });
    sub.on('gap', () => n.gaps++);
    sub.on('live', () => n.began++);
  }

  // attempt returns the result of a call, or its error.
  async attempt(method, ...args) {
    try {
      return plain(await this.f[method](...args)) ?? null;
    } catch (e) {
      return { code: e.code, message: e.message, sent: e.sent, oldest: e.oldest, latest: e.latest, retry: e.retry, name: e.name };
    }
  }

  // burst publishes count messages at the same time, and returns an error code for each, '' if it succeeded.
  async burst(topic, count, options) {
    const all = await Promise.allSettled(Array.from({ length: count }, (_, n) => this.f.publish(topic, { n }, options)));
    return all.map(r => r.status === 'fulfilled' ? '' : r.reason.code);
  }

  close() {
    this.f.close();
    return this.f.state;
  }
}

// A Source returns tokens, one after the other, and records why they were asked for. "!not now" throws an error, and "!logged out"
// one that is final.
class Source {
  constructor(...tokens) {
    this.tokens = tokens;
    this.asked = [];
    this.get = async why => {
      this.asked.push(why);
      const token = this.tokens.shift();
      if (token === '!not now') throw new Error('not now');
      if (token === '!logged out') throw new fanfare.FanfareError('unauthorized', 'logged out');
      return token;
    };
  }
}

// A Hung has a token function that does not answer until it is released: then its calls fail, and the next one returns the
// token. It records what a client does.
class Hung {
  constructor(token) {
    this.did = [];
    this.calls = [];
    this.get = () => {
      this.did.push('token');
      return this.released ? token : new Promise((_, fail) => this.calls.push(fail));
    };
  }

  url(url) {
    this.did.push('url');
    return url;
  }

  release() {
    this.released = true;
    for (const fail of this.calls) fail(new Error('not now'));
  }
}

// plain converts an event to JSON.
function plain(v) {
  if (v instanceof Uint8Array) return { bytes: [...v] };
  if (v instanceof Error) return { code: v.code, message: v.message };
  return v;
}

globalThis.unhandled = [];
if (globalThis.process) process.on('unhandledRejection', e => unhandled.push(String(e)));
else addEventListener('unhandledrejection', e => unhandled.push(String(e.reason)));
globalThis.Client = Client;
globalThis.Source = Source;
globalThis.Hung = Hung;
globalThis.clients = {};
