package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// write creates a file for a test.
func write(t *testing.T, text string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Each connection has the next line, in addition to the fields of all.
func TestHeaderFile(t *testing.T) {
	checkLeaks(t)
	const n = 5
	fields := make(chan string, n)
	url := theirs(t, func(ctx context.Context, r *http.Request, c *websocket.Conn) {
		fields <- r.Header.Get("Cookie") + " " + r.Header.Get("X-All")
		_, _, _ = c.Read(ctx)
	})
	file := write(t, "Cookie: a=1\nCookie: a=2\r\nCookie: a=3")
	runProgram(t, "idle", "-json", "-q", "-n", "5", "-hold", "1ms", "-header", "X-All: yes", "-header-file", file, url).wantOK(t)
	var got []string
	for range n {
		got = append(got, <-fields)
	}
	slices.Sort(got)
	want(t, "fields", strings.Join(got, ", "), "a=1 yes, a=1 yes, a=2 yes, a=2 yes, a=3 yes")
}

func TestBadHeaderFile(t *testing.T) {
	checkLeaks(t)
	for file, says := range map[string]string{
		write(t, ""):                    "is empty",
		write(t, "Cookie: a=1\n\nX: 1"): "line 2",
		filepath.Join(t.TempDir(), "x"): "no such file",
	} {
		r := runProgram(t, "idle", "-header-file", file, "ws://localhost/")
		want(t, "status", r.status, exitUsage)
		if !strings.Contains(r.stderr, says) {
			t.Errorf("%q does not say %q", r.stderr, says)
		}
	}
}

// A server may wrap text, here in JSON, and send other messages.
func TestAnywhere(t *testing.T) {
	checkLeaks(t)
	var mu sync.Mutex
	var members []*websocket.Conn
	url := theirs(t, func(ctx context.Context, r *http.Request, c *websocket.Conn) {
		if r.URL.Path != "/publish" {
			mu.Lock()
			members = append(members, c)
			mu.Unlock()
		}
		for {
			_, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			for _, m := range slices.Clone(members) {
				_ = m.Write(ctx, websocket.MessageText, []byte(`{"note":"<&>"}`))
				_ = m.Write(ctx, websocket.MessageText, []byte(`{"text":"`+string(p)+`"}`))
			}
			mu.Unlock()
		}
	})
	r := runProgram(t, "broadcast", "-json", "-q", "-n", "5", "-count", "8", "-rate", "1000", "-size", "200", "-text", "-anywhere", "-publish-url", url+"publish", url)
	r.wantOK(t)
	want(t, "delivered", r.report.Messages.Received, 40)
}

// JSON does not change the text.
func TestTextIsNotEscaped(t *testing.T) {
	w := newWire(7, 300, 1, true)
	p := make([]byte, w.size())
	w.encode(p, stamp{seq: 1, kind: regular})
	if i := slices.IndexFunc(p, func(b byte) bool {
		return !(b >= '0' && b <= '9' || b >= 'a' && b <= 'z')
	}); i >= 0 {
		t.Errorf("%q has %q", p, p[i])
	}
}
