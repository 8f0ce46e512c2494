package browser

import (
	"fmt"
	"testing"
)

// While the network is down, the page says so and keeps messages in the outbox. When it is back, every
// page shows each message exactly once.
func TestNetworkLost(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	ada.makes("talk", false)
	ada.says("before")
	bob.joins("talk")
	bob.seesAll("before")

	h.proxy.Shut(true)
	for _, g := range []*guest{ada, bob} {
		g.until(`$('banner').textContent.includes('Connection lost')`)
	}
	ada.says("while we are cut off")
	ada.until(`all('.pending').length === 1`)
	// Another user is not affected and continues to write.
	carol := &guest{&house{TB: t, proxy: h.proxy}, h.browser.Window(t, 1280, 800)}
	if err := carol.Open("http://" + h.addr + "/"); err != nil {
		t.Fatal(err)
	}
	carol.signUp("carol").joins("talk")
	want := []string{"before"}
	for i := range 5 {
		text := fmt.Sprint("meanwhile ", i)
		carol.says(text)
		want = append(want, text)
		carol.seesAll(want...)
	}
	carol.do(`await act(all('#messages .message')[1], 'Edit this message');`)
	carol.says("meanwhile 0, changed")
	want[1] = "meanwhile 0, changed"
	carol.seesAll(want...)
	h.proxy.Shut(false)
	want = append(want, "while we are cut off")
	for _, g := range []*guest{ada, bob, carol} {
		g.seesAll(want...)
		g.until(`$('banner').textContent === '' && all('.pending').length === 0`)
	}
}

// Pages reconnect to a server that has been restarted with the same data, and no message is lost.
func TestServerRestart(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	ada.makes("talk", false)
	bob.joins("talk")
	ada.says("one")
	bob.sees("one")
	h.stop()
	ada.until(`$('my-state').textContent === 'not connected'`)
	ada.says("two")
	h.start()
	bob.seesAll("one", "two")
	bob.says("three")
	for _, g := range []*guest{ada, bob} {
		g.seesAll("one", "two", "three")
	}
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.opens("talk")
	ada.seesAll("one", "two", "three")
}
