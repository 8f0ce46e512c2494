package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// page is a browser tab.
type page struct {
	t *testing.T
	*script.Browser
}

func open(t *testing.T, b *script.Browser, url string) page {
	t.Helper()
	if err := b.Open(url); err != nil {
		t.Fatal(err)
	}
	return page{t, b}
}

// ask runs the body of an asynchronous function and returns its result, a string.
func (p page) ask(body string, args ...any) string {
	p.t.Helper()
	b, err := p.Call(body, args...)
	if err != nil {
		p.t.Fatalf("%s: %v", body, err)
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		p.t.Fatalf("%s: %s", body, b)
	}
	return s
}

// shows waits until the text of an element contains all the words.
func (p page) shows(id string, words ...string) {
	p.t.Helper()
	var text string
	if !settles(func() bool {
		text = p.ask(`return document.getElementById(args[0]).innerText`, id)
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}) {
		p.t.Fatalf("%s shows %q, want %q", id, text, words)
	}
}

// The start page completes a path, shows why the server refused it, and shows received messages with their time, including
// binary ones.
func TestStartPage(t *testing.T) {
	p := start(t)
	pg := open(t, script.Chromium(t), "http://"+p.addr+"/")
	connect := func(path string) string {
		return pg.ask(`const path = document.getElementById('path'); path.value = args[0]; path.dispatchEvent(new Event('input')); document.getElementById('open').requestSubmit(); return path.value`, path)
	}
	pg.shows("more", "There are no topics yet")
	for path, says := range map[string]string{"a..b": "empty part", "/nothing": "/nothing", "/topics/a/b": "no slash"} {
		connect(path)
		pg.shows("log", "The server refused", says)
		pg.shows("state", "Not connected.")
	}
	if path := connect("news"); path != "/topics/news" {
		t.Errorf("it connects to %q", path)
	}
	pg.shows("state", "Connected to /topics/news")
	p.request("POST", "/topics/news", "text/plain", strings.NewReader("<b>hello</b>"))
	p.request("POST", "/topics/news", "", strings.NewReader("\x00\xffabc"))
	pg.shows("log", "<b>hello</b>", "5 bytes, binary", "00 ff 61 62 63", "··abc")
	if times := pg.ask(`return String([...document.querySelectorAll('#log time')].every(t => /^\d\d:\d\d:\d\d\.\d{3}$/.test(t.textContent)))`); times != "true" {
		t.Error("a time is not shown")
	}
	pg.shows("topics", "news", "1 subscriber")
	sub := p.dial("/topics/news")
	pg.ask(`document.getElementById('text').value = 'from the page'; document.getElementById('say').requestSubmit(); return ''`)
	_, b, err := sub.Read(p.ctx())
	if err != nil || string(b) != "from the page" {
		t.Errorf("%q %v", b, err)
	}
	for path, curl := range map[string]string{
		"/topics/prices.eur?history=5": "curl -H 'Content-Type: text/plain' -d hello http://" + p.addr + "/topics/prices.eur",
		"topics/prices.*":              `curl -H 'Content-Type: application/json' -d '{"messages":[{"pattern":"prices.*","text":"hello"}]}' http://` + p.addr + "/publish",
		"it's":                         "/topics/it'\\''s",
	} {
		pg.ask(`const path = document.getElementById('path'); path.value = args[0]; path.dispatchEvent(new Event('input')); return ''`, path)
		pg.shows("curl", curl)
	}
}

// The client can be imported by the server's own page and by a page on another port. A page of another host gets an error that
// it may not connect.
func TestImportInPages(t *testing.T) {
	p := start(t)
	blank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }))
	defer blank.Close()
	_, port, _ := strings.Cut(p.addr, ":")
	local := "localhost:" + port
	b := script.Chromium(t)
	const hello = `const { Fanfare } = await import(args[0] + '/fanfare.js');
		const f = new Fanfare(args[0].replace('http', 'ws') + '/hub');
		return new Promise(async done => {
			f.on('close', ({ code }) => done('closed with ' + code));
			f.subscribe('news', (message, meta) => { done(meta.offset + ' ' + message.text); f.close(); });
			await f.publish('news', { text: 'hello' }, { echo: true });
		})`
	for _, url := range []string{"http://" + local + "/", blank.URL} {
		if got := open(t, b, url).ask(hello, "http://"+local); got != "1 hello" { // the topic ends with its only subscriber
			t.Errorf("%s: %q, want hello", url, got)
		}
	}
	page := open(t, b, blank.URL)
	for path, want := range map[string]string{"/topics": "200", "/topics/none": "404", "/topics/a/b": "404"} {
		if got := page.ask(`const r = await fetch(args[0]); await r.json(); return String(r.status)`, "http://"+local+path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := page.ask(`const r = await fetch(args[0], {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '1'}); return JSON.stringify(await r.json())`, "http://"+local+"/topics/news"); !strings.Contains(got, `"position"`) {
		t.Errorf("a POST of JSON: %s", got)
	}
	stranger := `return new Promise(done => {
		addEventListener('message', e => done(e.data));
		const frame = document.createElement('iframe');
		frame.sandbox = 'allow-scripts'; // so that its origin is nobody's
		frame.srcdoc = '<script type=module>const hello = async args => {' + args[1] + '};' +
			'const read = await fetch("' + args[0] + '/topics").then(() => "can", () => "cannot");' +
			'parent.postMessage(read + " read, is " + await hello(["' + args[0] + '"]), "*")</' + 'script>';
		document.body.append(frame);
	})`
	if got := page.ask(stranger, "http://"+local, hello); got != "cannot read, is closed with 1006" || !settles(func() bool { return strings.Contains(p.stderr.String(), "-origins") }) {
		t.Errorf("a page of nobody %s, and logged: %s", got, p.stderr.String())
	}
}
