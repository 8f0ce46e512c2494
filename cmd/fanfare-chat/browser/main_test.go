package browser

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/chat"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/web"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

func TestMain(m *testing.M) { netpolltest.Main(m, http.DefaultClient.CloseIdleConnections) }

// house is a chat server that can be stopped, and started again with the same data at the same
// address, behind a proxy whose connections can be cut.
type house struct {
	testing.TB
	file    string
	addr    string // of the server; port 0 before the first start
	proxy   *wstest.Proxy
	browser *script.Browser
	stop    func()
}

// open starts a server and a browser.
func open(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t, browser: script.Chromium(t), file: filepath.Join(t.TempDir(), "chat.db"), addr: "127.0.0.1:0"}
	t.Cleanup(func() { h.stop() })
	h.start()
	h.proxy = wstest.Forward(t, h.addr, nil)
	return h
}

func (h *house) start() {
	h.Helper()
	kept, err := sqlstore.Open(context.Background(), h.file)
	if err != nil {
		h.Fatal(err)
	}
	accounts, err := account.New(account.Options{Store: kept, Cost: account.Cost{Memory: 64, Passes: 1, Threads: 1}})
	if err != nil {
		h.Fatal(err)
	}
	c, err := chat.New(chat.Options{Store: kept, Accounts: accounts, Page: web.Handler(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.Fatal(err)
	}
	var addr net.Addr
	if addr, err = c.Server().Listen(h.addr); err != nil {
		h.Fatal(err)
	}
	h.addr = addr.String()
	h.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Server().Shutdown(ctx) // a window may have been closed already
		c.Close()
		if err := kept.Close(); err != nil {
			h.Error(err)
		}
		h.stop = func() {}
	}
}

// guest is a user with a window that shows the page.
type guest struct {
	*house
	*script.Browser
}

// guest opens a window of that width for a new user.
func (h *house) guest(width int64) *guest {
	h.Helper()
	return h.guestAt(width, 800)
}

func (h *house) guestAt(width, height int64) *guest {
	h.Helper()
	g := &guest{h, h.browser.Window(h, width, height)}
	g.visit()
	return g
}

// visit loads or reloads the page.
func (g *guest) visit() {
	g.Helper()
	if err := g.Open("http://" + g.proxy.Addr + "/"); err != nil {
		g.Fatal(err)
	}
}

// do runs a script in the page, with the helpers below, and returns its result.
func (g *guest) do(body string, args ...any) json.RawMessage {
	g.Helper()
	v, err := g.Call(helpers+body, args...)
	if err != nil {
		g.Fatalf("%s, with %q: %v", body, args, err)
	}
	return v
}

const helpers = `
const $ = id => document.getElementById(id);
const seen = e => e && e.checkVisibility({ visibilityProperty: true });
const all = query => [...document.querySelectorAll(query)].filter(seen);
const button = (words, within = document) => [...within.querySelectorAll('button')].find(b => seen(b) && (b.textContent.includes(words) || b.ariaLabel === words));
const texts = () => all('#messages .message:not(.pending) .text').map(e => e.innerText);
const until = async (what, fn) => {
	for (const end = Date.now() + 20000;;) {
		const v = await fn();
		if (v) return v;
		if (Date.now() > end) throw new Error('timed out waiting for ' + what + '; the page shows: ' + document.body.innerText.slice(-1500));
		await new Promise(r => setTimeout(r, 20));
	}
};
const click = async (words, within) => (await until('a button ' + words, () => button(words, within))).click();
const press = (field, key) => field.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
const act = async (m, label) => { // on a touch screen, the buttons of a message are shown while it has the focus
	m.focus();
	(await until('a button ' + label, () => button(label, m))).click();
};
// hold delays requests with a matching path until release is called. The promise of release
// resolves when the page has processed the responses.
const hold = pattern => {
	const real = globalThis.fetch, answers = [];
	let free;
	const gate = new Promise(resolve => { free = resolve; });
	globalThis.held = 0;
	globalThis.fetch = (path, options) => {
		if (!pattern.test(path)) return real(path, options);
		globalThis.held++;
		const answer = gate.then(() => real(path, options)).then(async r => {
			const text = await r.text();
			return { status: r.status, ok: r.ok, headers: r.headers, json: async () => JSON.parse(text) };
		});
		answers.push(answer);
		return answer;
	};
	globalThis.release = async () => {
		globalThis.fetch = real;
		free();
		await Promise.allSettled(answers);
		await new Promise(resolve => setTimeout(resolve));
	};
};
const isHeld = () => until('a request to be held', () => globalThis.held > 0);
const write = (field, text) => { field.focus(); field.value = text; field.dispatchEvent(new InputEvent('input', { bubbles: true })); };
`

// until waits until an expression is true.
func (g *guest) until(expression string, args ...any) {
	g.Helper()
	g.do("await until("+quote(expression)+", () => ("+expression+"));", args...)
}

func (g *guest) text(expression string, args ...any) (s string) {
	g.Helper()
	if err := json.Unmarshal(g.do("return String(await ("+expression+"));", args...), &s); err != nil {
		g.Fatal(err)
	}
	return s
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const password = "correct horse"

// enter fills in and submits the login form; how is the label of its button.
func (g *guest) enter(how, name, password string) {
	g.Helper()
	g.do(`
		await until('the form', () => seen($('entry-form')));
		if (!$('entry-submit').textContent.includes(args[0])) $('entry-switch').click();
		write($('entry-name'), args[1]);
		write($('entry-password'), args[2]);
		$('entry-form').requestSubmit();`, how, name, password)
}

// signUp creates an account and waits for the chat.
func (g *guest) signUp(name string) *guest {
	g.Helper()
	g.enter("Create account", name, password)
	g.until(`seen($('app')) && $('my-state').textContent === 'connected' && $('my-name').textContent === args[0]`, name)
	return g
}

// in waits until the room with that name is open.
func (g *guest) in(room string) {
	g.Helper()
	g.until(`$('room-name').textContent === args[0] && seen($('text'))`, room)
}

// makes creates a room and waits until it is open.
func (g *guest) makes(room string, private bool) {
	g.Helper()
	g.do(`
		$('act-create').click();
		write(document.querySelector('#dialog [name=name]'), args[0]);
		if (args[1]) document.querySelector('#dialog [value=private]').click();
		document.querySelector('#dialog form').requestSubmit();`, room, private)
	g.in(room)
}

// joins joins an open room and waits until it is open.
func (g *guest) joins(room string) {
	g.Helper()
	g.do(`$('act-browse').click(); await click('Join ' + args[0]);`, room)
	g.in(room)
}

// opens opens a room from the list.
func (g *guest) opens(room string) {
	g.Helper()
	g.do(`[...document.querySelectorAll('#room-lists button')].find(b => b.textContent.includes(args[0])).click();`, room)
	g.in(room)
}

// turnsTo opens a room by changing the page's address, as the browser's back button does.
func (g *guest) turnsTo(room string) {
	g.Helper()
	g.do(`location.hash = '#/' + all('#room-lists [data-room]').find(e => e.textContent.includes(args[0])).dataset.room;`, room)
	g.in(room)
}

// says types a message and sends it with Enter.
func (g *guest) says(text string) {
	g.Helper()
	g.do(`write($('text'), args[0]); press($('text'), 'Enter');`, text)
}

// sees waits until these are the last messages on the page.
func (g *guest) sees(messages ...string) {
	g.Helper()
	g.until(`JSON.stringify(texts().slice(-args.length)) === JSON.stringify(args)`, anys(messages)...)
}

// seesAll waits until these are all messages on the page.
func (g *guest) seesAll(messages ...string) {
	g.Helper()
	g.until(`JSON.stringify(texts()) === JSON.stringify(args)`, anys(messages)...)
}

func anys(list []string) (all []any) {
	for _, s := range list {
		all = append(all, s)
	}
	return all
}
