package browser

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var screenshots = flag.String("screenshots", "", "write the screenshots of README.md, and similar ones, to this `directory`")

// TestScreenshots takes screenshots of a room on a desktop and a phone, in light and dark colours.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("skipped without -screenshots DIR")
	}
	h := open(t)
	ada, zoe, bob := h.guest(1280).signUp("Ada"), h.guest(1280).signUp("Zoë"), h.guestAt(390, 844).signUp("Björn")
	ada.makes("Sommerfest", false)
	zoe.joins("Sommerfest")
	ada.makes("Release crew", true)
	ada.makes("Engine room", false)
	for _, g := range []*guest{zoe, bob} {
		g.joins("Engine room")
		g.do(`Object.defineProperty(document, 'hasFocus', { value: () => true });`)
	}
	n := 0
	for _, m := range []struct {
		by   *guest
		text string
	}{
		{ada, "Good morning! What is left before the release:"},
		{ada, "1. the **handshake** limits\n2. pings well before 60 s\n3. ~~search in Chinese~~ done"},
		{zoe, "Grüße aus Köln 👋 Does that hold for *slow* clients, too?"},
		{zoe, "I only see one write for each in strace:\n```\nwrite(9, \"\\x81\\x7e…\", 8704) = 8704\n```"},
		{bob, "> slow clients, too?\nYes: one that is behind gets `segments` of the log. See https://www.rfc-editor.org/rfc/rfc6455"},
		{bob, "🎉🎉"},
		{zoe, "Nice, @Ada – will you write that down?"},
	} {
		m.by.says(m.text)
		n++
		for _, g := range []*guest{ada, zoe, bob} {
			g.until(`all('#messages .message:not(.pending) .text').length === args[0]`, n)
		}
	}
	for _, g := range []*guest{zoe, bob} {
		g.do(`await act(all('#messages .message')[1], 'React'); await click('React with 👍');`)
	}
	ada.do(`await act(all('#messages .message')[5], 'React'); await click('React with 🎉');`)
	ada.until(`all('.reaction').length === 2 && all('.reaction')[0].textContent.includes('2')`)
	zoe.opens("Sommerfest")
	zoe.says("Who brings the cake?")
	zoe.says("@ada?")
	zoe.sees("Who brings the cake?", "@ada?")
	zoe.opens("Engine room")
	ada.until(`all('.count').length === 2`)
	zoe.do(`write($('text'), 'I am wri');`)
	ada.until(`$('typing').textContent !== ''`)
	bob.until(`$('typing').textContent !== ''`)
	ada.pictures("desk")
	bob.pictures("phone")
	ada.do(`await act(all('#messages .message').at(-1), 'React'); await until('the reactions', () => button('React with 👍'));`)
	ada.shot("signs")
	ada.do(`$('act-account').click(); await until('the dialog', () => $('dialog').open);`)
	ada.pictures("password")
	ada.do(`$('dialog').close(); $('act-people').click();`)
	ada.until(`all('.person.is-here').length === 3`)
	ada.pictures("people")
	ada.do(`$('act-search').click(); write($('query'), 'one');`)
	ada.until(`all('.result').length === 2`)
	h.proxy.Shut(true)
	ada.until(`$('banner').textContent !== ''`)
	ada.says("This waits until we are back.")
	ada.until(`all('.pending').length === 1`)
	ada.pictures("search")
	bob.do(`$('drawer-open').click();`)
	bob.pictures("drawer")
}

// pictures takes one screenshot in light and one in dark colours.
func (g *guest) pictures(name string) {
	g.Helper()
	for _, scheme := range []string{"light", "dark"} {
		g.do(`
			document.documentElement.style.colorScheme = args[0];
			document.activeElement.blur();
			const done = document.getAnimations().map(a => a.finished);
			await Promise.all(done);
			await new Promise(requestAnimationFrame);`, scheme)
		g.shot(name + "-" + scheme)
	}
}

func (g *guest) shot(name string) {
	g.Helper()
	png, err := g.Screenshot()
	if err == nil {
		err = os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644)
	}
	if err != nil {
		g.Fatal(err)
	}
}
