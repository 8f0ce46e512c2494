package doctest

import (
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// TestFirstMinute follows README's description of the server's page: two windows connect to a topic, one sends a message, and
// both receive a message that is published from a terminal.
func TestFirstMinute(t *testing.T) {
	if !namespaced(t) {
		return
	}
	browser := script.Chromium(t)
	s := newShell(t)
	if _, err := s.command("go run ./cmd/fanfare"); err != nil {
		t.Fatal(err)
	}
	windows := []*script.Browser{browser.Window(t, 1280, 800), browser.Window(t, 390, 844)}
	for _, w := range windows {
		if err := w.Open("http://localhost:8080/"); err != nil {
			t.Fatal(err)
		}
		run(t, w, `document.querySelector('#open').requestSubmit(); await shows('#state', 'Connected')`)
	}
	run(t, windows[0], `text.value = 'from a window'; document.querySelector('#say').requestSubmit()`)
	run(t, windows[1], `await shows('#log', 'from a window')`)
	for _, b := range collect(t, func(file string) bool { return file == "README.md" }) {
		if b.lang == "console" && strings.Contains(b.text, "-d hello") {
			s.run(b)
		}
	}
	for _, w := range windows {
		run(t, w, `await shows('#log', 'hello')`)
	}
}

// run runs a script in a page. The script can call shows, which waits until an element has some text.
func run(t *testing.T, w *script.Browser, body string) {
	t.Helper()
	const shows = `async function shows(at, text) {
		while (!document.querySelector(at).textContent.includes(text)) await new Promise(r => setTimeout(r, 10));
	}
	const text = document.querySelector('#text');
	`
	if _, err := w.Call(shows + body); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
}
