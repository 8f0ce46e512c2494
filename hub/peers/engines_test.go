package peers_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// TestNodeWithWS runs the client with the package ws.
func TestNodeWithWS(t *testing.T) {
	every(t, func(t *testing.T, _ *sessiontest.Server) script.Engine {
		node := script.NodeWithWS(t)
		module(t, node)
		eval(t, node, "globalThis.options = { WebSocket: require('ws') }; null", nil)
		return node
	})
}

// TestNode runs the client with Node's own WebSocket, which needs a flag before version 22.
func TestNode(t *testing.T) {
	path, flag := script.FindNode(t), "--experimental-websocket"
	if err := exec.Command(path, flag, "-e", "").Run(); err != nil {
		t.Skip("this version of Node has no WebSocket; 20.10 is the first that has")
	}
	every(t, func(t *testing.T, _ *sessiontest.Server) script.Engine {
		node := script.Node(t, path, flag, "--no-warnings")
		module(t, node)
		return node
	})
}

// TestChromium runs the client in a page that imports the file from the server.
func TestChromium(t *testing.T) {
	browser := script.Chromium(t)
	every(t, func(t *testing.T, s *sessiontest.Server) script.Engine {
		if err := browser.Open("http://" + s.Addr + "/"); err != nil {
			t.Fatal(err)
		}
		load(t, browser, "/fanfare.js")
		return browser
	})
	t.Run("page of another origin", func(t *testing.T) {
		s := sessiontest.Serve(t, nil)
		if err := browser.Open("http://" + strings.Replace(s.Addr, "127.0.0.1", "localhost", 1) + "/"); err != nil {
			t.Fatal(err)
		}
		load(t, browser, "http://"+s.Addr+"/fanfare.js")
	})
	t.Run("refused origin", func(t *testing.T) { refusedOrigin(t, browser) })
	t.Run("page from a file", func(t *testing.T) { pageFromFile(t, browser) })
}

// pageFromFile has a page that was opened as a file connect. No value of -origins permits it, so the
// console must not suggest one.
func pageFromFile(t *testing.T, browser *script.Browser) {
	s := sessiontest.Serve(t, nil)
	refuses := &wsproto.Server{Logger: slog.New(slog.DiscardHandler)}
	a, err := refuses.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = refuses.Shutdown(t.Context()) })
	name := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(name, []byte("<!doctype html><title>a file</title>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := browser.Open("file://" + name); err != nil {
		t.Fatal(err)
	}
	load(t, browser, "http://"+s.Addr+"/fanfare.js")
	eval(t, browser, "globalThis.said = []; console.error = (...a) => said.push(a.join(' ')); clients.file = new Client('ws://"+a.String()+"/hub'); null", nil)
	var said []string
	sessiontest.Eventually(t, "a hint", func() bool {
		eval(t, browser, "said", &said)
		return len(said) > 0
	})
	if !strings.Contains(said[0], "serve the page over http") || strings.Contains(said[0], "-origins") {
		t.Errorf("the console says %q", said)
	}
	eval(t, browser, "clients.file.close(); null", nil)
}

// refusedOrigin connects to a server that refuses the page. The console says so once, however often
// the client tries, and does not say so of a server that cannot be reached at all.
func refusedOrigin(t *testing.T, browser *script.Browser) {
	s := sessiontest.Serve(t, nil)
	var tries atomic.Int32
	refuses := &wsproto.Server{Logger: slog.New(slog.DiscardHandler), CheckOrigin: func(*wsproto.Request) bool { tries.Add(1); return false }}
	a, err := refuses.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = refuses.Shutdown(t.Context()) })
	if err := browser.Open("http://" + s.Addr + "/"); err != nil {
		t.Fatal(err)
	}
	load(t, browser, "/fanfare.js")
	eval(t, browser, "globalThis.said = []; console.error = (...a) => said.push(a.join(' ')); null", nil)
	eval(t, browser, "clients.dead = new Client('ws://127.0.0.1:1/hub'); clients.refused = new Client('ws://"+a.String()+"/hub'); null", nil)
	var said []string
	sessiontest.Eventually(t, "a hint, and attempts after it", func() bool {
		eval(t, browser, "said", &said)
		if len(said) == 0 {
			tries.Store(0)
		}
		return tries.Load() > 1
	})
	if origin := "http://" + s.Addr; len(said) != 1 || !strings.Contains(said[0], "-origins "+origin) || !strings.Contains(said[0], a.String()) {
		t.Errorf("the console says %q", said)
	}
	eval(t, browser, "clients.dead.close(); clients.refused.close(); null", nil)
}

// module imports the file into Node, under a name whose extension marks a module.
func module(t *testing.T, e script.Engine) {
	t.Helper()
	code, err := os.ReadFile("../session/fanfare.js")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "fanfare.mjs")
	if err := os.WriteFile(name, code, 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, e, "file://"+name)
}

func load(t *testing.T, e script.Engine, url string) {
	t.Helper()
	helper, err := os.ReadFile("testdata/client.js")
	if err != nil {
		t.Fatal(err)
	}
	eval(t, e, "import("+strconv.Quote(url)+").then(m => { globalThis.fanfare = m; return null })", nil)
	eval(t, e, "{"+string(helper)+"\n} null", nil)
}
