package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// attacks are what a page of another site tries. Each returns what came of it.
var attacks = map[string]string{
	"WebSocket":        `return new Promise(done => { const s = new WebSocket(args[0].replace('http', 'ws') + args[1]); s.onopen = () => { s.send('"attack"'); done('connected') }; s.onerror = () => done('refused') })`,
	"fetch":            `return fetch(args[0] + '/topics/news', {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json'}, body: '"attack"'}).then(r => 'got ' + r.status, () => 'refused')`,
	"fetch, no CORS":   `return fetch(args[0] + '/topics/news', {method: 'POST', credentials: 'include', mode: 'no-cors', body: 'attack'}).then(r => r.type === 'opaque' ? 'refused' : 'got ' + r.type, () => 'refused')`,
	"DELETE":           `return fetch(args[0] + '/topics/news/subscribers', {method: 'DELETE', credentials: 'include'}).then(r => 'got ' + r.status, () => 'refused')`,
	"beacon":           `navigator.sendBeacon(args[0] + '/topics/news', 'attack'); return 'refused'`,
	"reading":          `return fetch(args[0] + '/topics/news/history', {credentials: 'include'}).then(r => 'got ' + r.status, () => 'refused')`,
	"form":             form("text/plain"),
	"multipart form":   form("multipart/form-data"),
	"urlencoded form":  form("application/x-www-form-urlencoded"),
	"script, no token": `return new Promise(done => { const s = document.createElement('script'); s.onload = () => done('ran'); s.onerror = () => done('refused'); s.src = args[0] + '/topics'; document.head.append(s) })`,
}

// form submits a form into a frame, and returns when the frame has loaded the response.
func form(encoding string) string {
	return `return new Promise(done => {
		const frame = document.createElement('iframe');
		frame.name = 'target' + Math.random();
		document.body.append(frame);
		const form = document.createElement('form');
		Object.assign(form, {method: 'post', action: args[0] + '/topics/news', target: frame.name, enctype: '` + encoding + `'});
		const field = document.createElement('input');
		Object.assign(field, {name: 'attack', value: 'attack'});
		form.append(field);
		document.body.append(form);
		frame.onload = () => done('refused'); // by the server, which the topic's history shows
		form.submit();
	})`
}

// A page of another site can neither connect, nor publish, nor read, nor disconnect others, although the browser sends the
// user's cookies.
func TestForeignPage(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-jwt-cookie", "session", "-token-file", tokenFile(t), "-topic", "> history=100", "-hosts", "app.test")...)
	b := script.Chromium(t)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>foreign</title><body>")
	}))
	defer foreign.Close()
	_, port, _ := strings.Cut(p.addr, ":")
	_, other, _ := strings.Cut(foreign.Listener.Addr().String(), ":")
	server := "http://app.test:" + port
	own := open(t, b, server+"/")
	all := []string{">"}
	token := s.token(jwt.MapClaims{"sub": "ada", "read": all, "write": all, "list": all, "manage": all})
	if got := own.ask(`document.cookie = 'session=' + args[0] + '; path=/'; return fetch('/topics/news', {method: 'POST', headers: {'Content-Type': 'text/plain'}, body: 'own'}).then(r => 'got ' + r.status)`, token); got != "got 200" {
		t.Fatalf("the server's own page: %s", got)
	}
	subscriber := p.dial("/topics/news?token=secret")
	for name, script := range attacks {
		page := open(t, b, "http://evil.test:"+other+"/")
		for _, path := range []string{"/topics/news", "/hub", "/echo"} {
			if got := page.ask(script, server, path); got != "refused" {
				t.Errorf("%s at %s: %s", name, path, got)
			}
			if name != "WebSocket" {
				break // only handshakes have several places to go
			}
		}
	}
	if _, body := p.request("GET", "/topics/news/history?token=secret", "", nil); strings.Contains(body, "attack") || !strings.Contains(body, "own") {
		t.Errorf("the history is %s", body)
	}
	p.send(p.dial("/topics/news?token=secret"), "still there")
	p.wants(subscriber, 1, "still there")
}
