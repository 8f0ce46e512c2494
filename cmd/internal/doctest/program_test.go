package doctest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// isProgram reports whether a block of Go is a whole program.
func isProgram(b block) bool { return strings.HasPrefix(b.text, "package main\n") }

// TestProgram starts README's chat as a reader does, and has two windows talk.
func TestProgram(t *testing.T) {
	if !namespaced(t) {
		return
	}
	var programs []block
	for _, b := range collect(t, everything) {
		if b.lang == "go" && isProgram(b) {
			programs = append(programs, b)
		}
	}
	if len(programs) != 1 || programs[0].file != "README.md" {
		t.Fatalf("this test knows one program, the chat of README.md; these are in the documents: %v", programs)
	}
	browser := script.Chromium(t)
	file := filepath.Join(t.TempDir(), "chat.go")
	if err := os.WriteFile(file, []byte(programs[0].text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newShell(t).command("go run " + file); err != nil {
		t.Fatal(err)
	}
	windows := []*script.Browser{browser.Window(t, 1280, 800), browser.Window(t, 390, 844)}
	for _, w := range windows {
		if err := w.Open("http://localhost:8080/"); err != nil {
			t.Fatal(err)
		}
		run(t, w, `while (ws.readyState !== 1) await new Promise(r => setTimeout(r, 10))`)
	}
	for i, said := range []string{"hello from a desk", "hello from a phone"} {
		run(t, windows[i], "input.value = "+`'`+said+`'`+"; document.forms[0].requestSubmit()")
		for _, w := range windows {
			run(t, w, "await shows('body', '"+said+"')")
		}
	}
}
