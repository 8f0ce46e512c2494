package peers_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestChromium has a browser without a window.
func TestChromium(t *testing.T) {
	path := findChromium()
	if path == "" {
		need(t, "Chromium", "apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Geteuid() == 0 { // as whom it does not start with its sandbox
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	every(t, (&browser{ctx: ctx}).dial)
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// browser is a tab, with a page of the server that it connects to: others may not.
type browser struct {
	ctx  context.Context
	addr string
	peer dialer
}

func (b *browser) dial(t *testing.T, addr string) peer {
	if b.addr != addr {
		code, err := os.ReadFile("testdata/peer.js")
		if err != nil {
			t.Fatal(err)
		}
		if err := chromedp.Do(b.ctx, chromedp.Navigate("http://"+addr+"/")); err != nil {
			t.Fatal(err)
		}
		if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](string(code))); err != nil {
			t.Fatal(err)
		}
		b.addr, b.peer = addr, dialScript(b)
	}
	return b.peer(t, addr)
}

func (b *browser) eval(expression string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[[]byte]("(async () => (await ("+expression+")) ?? null)()", chromedp.EvalAwaitPromise))
}
