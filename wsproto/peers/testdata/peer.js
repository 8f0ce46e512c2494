// A WebSocket client as a browser and as Node's ws have it, for the tests that drive
// both: every method returns what the one of the same name in table_test.go does,
// and throws if it fails.
class Peer {
  constructor(url) {
    this.ws = new WebSocket(url);
    this.ws.binaryType = 'arraybuffer';
    this.came = [];
    this.waiting = [];
    this.end = new Promise(done => this.ws.addEventListener('close', done));
    this.open = new Promise((done, fail) => {
      this.ws.addEventListener('open', done);
      this.ws.addEventListener('error', e => fail(new Error('no connection: ' + (e.message || e.type))));
    });
    this.ws.addEventListener('message', e => {
      const next = this.waiting.shift();
      next ? next(e.data) : this.came.push(e.data);
    });
  }

  extensions() { return this.ws.extensions; }

  next() {
    if (this.came.length > 0) return this.came.shift();
    const ended = this.end.then(e => { throw new Error(`the connection ended with ${e.code} ${e.reason}`); });
    return Promise.race([new Promise(done => this.waiting.push(done)), ended]);
  }

  async roundTrip(send, want) {
    this.ws.send(payload(send));
    compare(await this.next(), payload(want));
  }

  async fragments(parts, want) {
    if (!this.ws.ping) return unsupported; // a browser
    parts.forEach((part, i) => this.ws.send(bytes(part), { binary: !part.text, fin: i === parts.length - 1 }));
    compare(await this.next(), payload(want));
  }

  async ping(want) {
    if (!this.ws.ping) return unsupported;
    const pong = new Promise(done => this.ws.once('pong', done));
    this.ws.ping(want);
    compare(String(await pong), want);
  }

  async close(code, reason) {
    this.ws.close(code, reason);
    return this.closed();
  }

  async closed(send) {
    if (send) this.ws.send(payload(send));
    const e = await this.end;
    if (!e.wasClean) throw new Error(`closed with ${e.code} "${e.reason}", not clean`);
    return { Code: e.code, Reason: e.reason };
  }

  hangUp() { this.ws.terminate ? this.ws.terminate() : this.ws.close(); }
}

const unsupported = 'unsupported';

// bytes returns the payload of a message: its unit, which comes in base64, times so
// many.
function bytes(m) {
  const unit = Uint8Array.from(atob(m.unit), c => c.charCodeAt(0));
  const all = new Uint8Array(unit.length * m.times);
  all.set(unit);
  for (let n = unit.length; n > 0 && n < all.length; n *= 2) all.copyWithin(n, 0, n);
  return all;
}

function payload(m) { return m.text ? new TextDecoder().decode(bytes(m)) : bytes(m); }

function compare(got, want) {
  if (typeof got !== 'string') got = new Uint8Array(got);
  if (!same(got, want)) throw new Error(`got ${typeof got} of length ${got.length}, want ${typeof want} of length ${want.length}`);
}

function same(got, want) {
  if (typeof got !== typeof want || got.length !== want.length) return false;
  if (typeof want === 'string') return got === want;
  for (let i = 0; i < want.length; i++) {
    if (got[i] !== want[i]) return false;
  }
  return true;
}

globalThis.Peer = Peer;
globalThis.peers = [];
