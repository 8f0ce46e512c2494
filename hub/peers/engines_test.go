package peers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub/internal/rig"
	"github.com/fanfare-ws/fanfare/internal/script"
)

// TestNodeWithWS has the package ws.
func TestNodeWithWS(t *testing.T) {
	every(t, func(t *testing.T, _ *rig.Server) script.Engine {
		node := script.NodeWithWS(t)
		module(t, node)
		eval(t, node, "globalThis.options = { WebSocket: require('ws') }; null", nil)
		return node
	})
}

// TestNode has Node's own WebSocket, which before version 22 takes a flag.
func TestNode(t *testing.T) {
	path, flag := script.FindNode(t), "--experimental-websocket"
	if err := exec.Command(path, flag, "-e", "").Run(); err != nil {
		t.Skip("this Node has no WebSocket of its own; 20.10 and later have")
	}
	every(t, func(t *testing.T, _ *rig.Server) script.Engine {
		node := script.Node(t, path, flag, "--no-warnings")
		module(t, node)
		return node
	})
}

// TestChromium imports the file from the server.
func TestChromium(t *testing.T) {
	browser := script.Chromium(t)
	every(t, func(t *testing.T, s *rig.Server) script.Engine {
		if err := browser.Open("http://" + s.Addr + "/"); err != nil {
			t.Fatal(err)
		}
		load(t, browser, "/fanfare.js")
		return browser
	})
	t.Run("page of another origin", func(t *testing.T) {
		s := rig.Serve(t, nil)
		if err := browser.Open("http://" + strings.Replace(s.Addr, "127.0.0.1", "localhost", 1) + "/"); err != nil {
			t.Fatal(err)
		}
		load(t, browser, "http://"+s.Addr+"/fanfare.js")
	})
}

// module has Node import the file, under a name that says that it is a module.
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
