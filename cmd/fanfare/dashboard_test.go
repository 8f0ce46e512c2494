package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// visitDashboard opens the dashboard of a server. At the end of the test, the page must not have complained.
func (p *program) visitDashboard(b *script.Browser, hash string) page {
	p.t.Helper()
	complaints := b.Complaints(p.t)
	pg := open(p.t, b, "http://"+p.adminAddr()+"/"+hash)
	p.t.Cleanup(func() {
		for _, c := range complaints.All() {
			p.t.Errorf("the page complains: %s", c)
		}
	})
	return pg
}

func (p *program) adminAddr() string { return operatorsAt.FindStringSubmatch(p.stdout.String())[1] }

// state returns GET /api/status.
func (p *program) state(fields ...string) (s monitor.Snapshot) {
	p.t.Helper()
	status, body := p.operator("GET", statusPath, "", fields...)
	if err := json.Unmarshal([]byte(body), &s); status != http.StatusOK || err != nil {
		p.t.Fatalf("%d %s: %v", status, body, err)
	}
	return s
}

// until waits until a condition of the page is true, which is the body of a function.
func (p page) until(what, condition string, args ...any) {
	p.t.Helper()
	if !settles(func() bool { return p.ask("return String(Boolean((() => {"+condition+"})()))", args...) == "true" }) {
		p.t.Fatalf("%s: %s\nThe page is: %.600s", what, condition, p.ask(`return document.querySelector('main').innerText + document.querySelector('#alerts').innerText`))
	}
}

// The dashboard shows what /api/status says, charts, topics, and each topic.
func TestDashboard(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0", "-topic", "> history=10")
	for range 3 {
		p.dial("/topics/news")
	}
	p.dial("/topics/sport.football")
	for range 5 {
		p.request("POST", "/topics/news", "text/plain", strings.NewReader("hello"))
	}
	pg := p.visitDashboard(script.Chromium(t), "")
	s := p.state()
	pg.shows("tile-connections", fmt.Sprint(s.Conns.WebSockets))
	pg.until("there is a banner", `return document.getElementById('alerts').textContent`) // a slow machine may be what is wrong
	pg.shows("footer", s.Version, fmt.Sprint("process ", s.Process.PID))
	for _, id := range []string{"chart-connections", "chart-messages", "chart-fan-out", "chart-memory"} {
		pg.until("a chart has a line", `return document.querySelector('#'+args[0]+' path.line').getAttribute('d')?.length > 10`, id)
	}
	pg.until("a chart says its value", `return document.getElementById('chart-connections-text').textContent.startsWith('open: 4, between')`)
	pg.shows("tile-memory", "–") // with few connections it would be the memory of the server itself
	pg.until("it says from when on memory is measured", `const text = document.getElementById('main').innerText; return text.includes('from 100 connections on') && text.includes('beyond the empty server')`)
	pg.until("the lists are asked for again", `const text = document.querySelector('.lists').innerText; return text.includes('No topic gets messages now') || text.includes('/s')`)
	pg.until("the largest topic is a link", `const a = document.querySelector('.lists a[href="#/topic/news"]'); a?.click(); return a`)
	pg.until("the topic is shown", `const t = document.getElementById('main').innerText; return t.includes('news') && /Subscribers\s+3/.test(t) && /Messages held\s+5/.test(t)`)
	pg.ask(`location.hash = '#/topics?sort=name&q=sp'; return ''`)
	pg.until("a topic is found", `return document.getElementById('main').innerText.includes('sport.football') && !document.getElementById('main').innerText.includes('news')`)
	pg.ask(`location.hash = '#/topic/none'; return ''`)
	pg.until("there is no such topic", `return document.getElementById('message').textContent.includes('neither subscribers nor messages')`)
}

// A topic's subscribers can be disconnected, after a question.
func TestDashboardDisconnects(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	c := p.dial("/topics/news")
	pg := p.visitDashboard(script.Chromium(t), "#/topic/news")
	for _, answer := range []string{"no", "yes"} {
		pg.until("there is a button", `const b = document.querySelector('main button.danger'); b?.click(); return b && document.getElementById('confirm').open`)
		if n := p.state().Conns.WebSockets; n != 1 {
			t.Fatalf("before the answer there are %d connections", n)
		}
		pg.ask(`document.querySelector('#confirm button[value=' + args[0] + ']').click(); return ''`, answer)
	}
	pg.until("it says what it has done", `return /1 subscriber disconnected|neither subscribers/.test(document.getElementById('message').textContent)`)
	if _, _, err := c.Read(p.ctx()); err == nil {
		t.Error("the subscriber is still connected")
	}
}

// Alerts, and a server that does not answer, are shown.
func TestDashboardAlerts(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	pg := p.visitDashboard(script.Chromium(t), "")
	pg.ask(`
		const real = fetch;
		globalThis.alerts = [];
		globalThis.stub = async (path, o) => {
			const r = await real(path, o);
			if (path !== '/api/status') return r;
			return new Response(JSON.stringify({ ...await r.json(), alerts }));
		};
		globalThis.fetch = stub;
		return ''`)
	pg.shows("alerts", "Nothing is wrong.")
	pg.shows("state", "Ready")
	pg.ask(`globalThis.alerts = [{ name: 'FanfareSlow', severity: 'critical', text: '<b>7</b> clients' }, { name: 'Other', severity: 'warning', text: 'less' }]; return ''`)
	pg.shows("alerts", "Critical", "FanfareSlow", "<b>7</b> clients", "Warning", "less")
	pg.shows("state", "2 alerts")
	pg.until("the title warns", `return document.title.startsWith('⚠')`)
	pg.ask(`globalThis.fetch = async () => { throw new TypeError('no network') }; return ''`)
	pg.shows("alerts", "does not answer")
	pg.shows("state", "No answer")
	pg.ask(`globalThis.alerts = []; globalThis.fetch = stub; return ''`)
	pg.shows("alerts", "Nothing is wrong.")
}

// The page asks for the key, which it keeps for the tab and sends in no URL.
func TestDashboardKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fanfare.toml")
	writeFile(t, file, `[[access.key]]
name = 'all'
secret = 'sesame-sesame-1234'
manage = ['>', '@>']
[[access.key]]
name = 'some'
secret = 'sesame-sesame-5678'
manage = ['news']
`)
	p := start(t, "-config", file, "-admin", "127.0.0.1:0")
	pg := p.visitDashboard(script.Chromium(t), "")
	for _, wrong := range []string{"wrong", "sesame-sesame-5678"} {
		pg.until("it asks for a key", `return document.getElementById('signin').open`)
		pg.ask(`document.getElementById('key').value = args[0]; document.querySelector('#signin button').click(); return ''`, wrong)
		pg.until("it says why", `return document.getElementById('signin').open && document.getElementById('signin-error').textContent`)
	}
	pg.ask(`document.getElementById('key').value = args[0]; document.querySelector('#signin button').click(); return ''`, "sesame-sesame-1234")
	pg.shows("tile-connections", "0")
	if urls := pg.ask(`return performance.getEntries().map(e => e.name).join(' ') + location`); strings.Contains(urls, "sesame") {
		t.Errorf("the key is in a URL: %s", urls)
	}
	pg.ask(`globalThis.before = true; setTimeout(() => location.reload()); return ''`)
	pg.until("the key remains after a reload", `return !globalThis.before && document.getElementById('tile-connections')?.textContent === '0'`)
	pg.ask(`document.getElementById('signout').click(); return ''`)
	pg.until("it is signed out", `return document.getElementById('signin').open && sessionStorage.length === 0`)
}

// Whatever strangers choose as names is text.
func TestDashboardHostileNames(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0", "-topic", "> history=1")
	names := []string{`<img`, `"onmouseover=globalThis.hit=1;"`, `'-alert(1)-'`, `javascript:globalThis.hit=1`, `__proto__`, `constructor`, `&lt;b&gt;`, `%3Cb`, strings.Repeat("ä", 127), `#`, `?`}
	for _, name := range names {
		if resp, body := p.request("POST", "/topics/"+url.PathEscape(name), "text/plain", strings.NewReader("x")); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", name, resp.Status, body)
		}
	}
	w := script.Chromium(t).Window(t, 390, 844)
	pg := p.visitDashboard(w, "#/topics?sort=name")
	pg.until("all are in the list", `const all = [...document.querySelectorAll('td.main')].map(e => e.textContent); return args.every(n => all.includes(n))`, toAny(names)...)
	for _, name := range names {
		pg.until("it is in the list", `const a = [...document.querySelectorAll('td.main a')].find(e => e.textContent === args[0]); a?.click(); return a`, name)
		pg.until("it is shown", `return document.querySelector('h1').textContent === args[0] && document.getElementById('main').innerText.includes('Messages held')`, name)
		pg.fits(name)
		pg.ask(`location.hash = '#/topics?sort=name'; return ''`)
	}
	if got := pg.ask(`return String(globalThis.hit)`); got != "undefined" {
		t.Error("a name was run as a script")
	}
}

func toAny(all []string) []any {
	return slices.Collect(func(yield func(any) bool) {
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	})
}

// fits reports whether the page needs no horizontal scrolling.
func (p page) fits(what string) {
	p.t.Helper()
	p.until(what+" fits the width", `return document.documentElement.scrollWidth <= innerWidth`)
}

// On a phone nothing sticks out, in no view. Nothing moves when figures come.
func TestDashboardOnPhone(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0", "-topic", "> history=1")
	long := strings.Repeat("w", 255)
	p.dial("/topics/" + long)
	w := script.Chromium(t).Window(t, 390, 844)
	pg := p.visitDashboard(w, "")
	pg.until("figures are shown", `return document.getElementById('tile-connections').textContent === '1'`)
	pg.until("topics are shown", `return document.querySelector('.lists td')`)
	pg.fits("the overview")
	pg.ask(`new PerformanceObserver(l => globalThis.moved = l.getEntries().reduce((a, e) => a + e.value, globalThis.moved ?? 0)).observe({ type: 'layout-shift', buffered: true }); return ''`)
	before := p.state().Time
	pg.until("further figures are shown", `return (globalThis.polls ??= document.getElementById('footer').textContent) !== document.getElementById('footer').textContent`)
	if moved := pg.ask(`return String((globalThis.moved ?? 0) < 0.1)`); moved != "true" {
		t.Errorf("since %v the page moved by %s", before.Format(time.TimeOnly), pg.ask(`return String(globalThis.moved)`))
	}
	for _, hash := range []string{"#/topics", "#/clients", "#/topic/" + long} {
		pg.ask(`location.hash = args[0]; return ''`, hash)
		pg.until("it is shown", `return document.querySelector('h1:not(.hidden)')`)
		pg.fits(hash)
	}
}

// The dashboard of a node shows its link to NATS and all nodes.
func TestDashboardOfNode(t *testing.T) {
	b := script.Chromium(t)
	a, _ := nodes(t, natstest.Start(t, "").URL, "-admin", "127.0.0.1:0")
	a.dial("/topics/x")
	pg := a.visitDashboard(b, "")
	pg.until("the link is shown", `return document.querySelector('.facts').innerText.includes('Link to NATS')`)
	pg.until("both nodes are shown", `const all = document.querySelector('.facts').innerText; return all.split('\nNode ').length + all.startsWith('Node ') === 3 && all.includes('(this one)') && all.includes('1 subscription to')`)
}
