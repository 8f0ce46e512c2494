package peers_test

import (
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// TestChromium uses a headless browser.
func TestChromium(t *testing.T) { every(t, (&tab{browser: script.Chromium(t)}).dial) }

// tab is a page of the server that it connects to: pages of other servers may not connect.
type tab struct {
	browser *script.Browser
	addr    string
	peer    dialer
}

func (b *tab) dial(t *testing.T, addr string) peer {
	if b.addr != addr {
		if err := b.browser.Open("http://" + addr + "/"); err != nil {
			t.Fatal(err)
		}
		load(t, b.browser)
		b.addr, b.peer = addr, dialScript(b.browser)
	}
	return b.peer(t, addr)
}
