package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
)

// fill stores n messages in the user's first room while the server is stopped.
func (h *house) fill(n int) {
	h.Helper()
	h.stop()
	kept, err := sqlstore.Open(context.Background(), h.file)
	if err != nil {
		h.Fatal(err)
	}
	defer h.start() // after the file is closed
	defer kept.Close()
	ada, err := kept.UserByKey(context.Background(), "ada")
	if err != nil {
		h.Fatal(err)
	}
	places, err := kept.Memberships(context.Background(), ada.ID)
	if err != nil {
		h.Fatal(err)
	}
	changes := make([]store.Change, n)
	for i := range changes {
		text := fmt.Sprintf("message %d", i+1) + strings.Repeat(" with more to say", i*7%13)
		changes[i] = store.Change{Op: store.Send, Room: places[0].ID, User: ada.ID, ClientID: fmt.Sprint(i), Text: text, At: time.Now().Add(time.Duration(i-n) * time.Minute)}
	}
	if _, err := kept.Apply(context.Background(), changes); err != nil {
		h.Fatal(err)
	}
}

// Scrolling back through 500 messages shows all of them. The message being read does not move when
// older ones are loaded, and the number of nodes is bounded.
func TestScrollingBack(t *testing.T) {
	h := open(t)
	ada := h.guest(1000).signUp("ada")
	ada.makes("long", false)
	h.fill(500)
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.opens("long")
	const end = `texts().at(-1)?.startsWith('message 500') && $('log').scrollHeight - $('log').scrollTop - $('log').clientHeight`
	ada.until(end + ` < 2`)
	ada.do(`
		const log = $('log'), met = new Set(), frame = () => new Promise(requestAnimationFrame);
		const numbers = () => [...document.querySelectorAll('#messages [data-number]')].map(e => Number(e.dataset.number));
		const inView = () => [...document.querySelectorAll('#messages [data-number]')].filter(e => {
			const box = e.getBoundingClientRect(), view = log.getBoundingClientRect();
			return box.bottom > view.top && box.top < view.bottom;
		});
		let jumps = 0, most = 0;
		for (const end = Date.now() + 40000; !met.has(1);) {
			if (Date.now() > end) throw new Error('the first message was not reached, but only message ' + Math.min(...met));
			for (const e of inView()) met.add(Number(e.dataset.number));
			const n = numbers();
			most = Math.max(most, n.length);
			for (let i = 1; i < n.length; i++) if (n[i] !== n[i - 1] + 1) throw new Error('message ' + n[i - 1] + ' is followed by ' + n[i]);
			log.scrollTop = Math.max(0, log.scrollTop - 300);
			await frame();
			// From here on the test does not scroll: messages in view must keep their places.
			const mark = inView()[0], at = mark.getBoundingClientRect().top;
			for (let i = 0; i < 6; i++) {
				await frame();
				const now = document.querySelector('#messages [data-number="' + mark.dataset.number + '"]');
				if (!now || Math.abs(now.getBoundingClientRect().top - at) > 2) jumps++;
			}
		}
		if (jumps > 0) throw new Error('messages in view have moved ' + jumps + ' times');
		if (met.size !== 500) throw new Error(met.size + ' messages were in view, want 500');
		if (most > 300) throw new Error(most + ' messages at a time on the page');`)
	ada.until(`$('messages').textContent.includes('This is the beginning of long')`)
	ada.do(`$('jump').click();`)
	ada.until(`texts().at(-1)?.startsWith('message 500') && $('log').scrollHeight - $('log').scrollTop - $('log').clientHeight < 2`)
}

func TestSearch(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("long", false)
	ada.says("Grüße aus der Küche")
	ada.sees("Grüße aus der Küche")
	h.fill(300)
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.opens("long")
	ada.do(`$('act-search').click(); write($('query'), 'KÜCH grüße');`)
	ada.until(`all('.result').length === 1 && all('.result')[0].textContent.includes('Küche')`)
	ada.do(`all('.result')[0].click();`)
	ada.until(`document.activeElement?.dataset?.number === '1' && texts()[0] === 'Grüße aus der Küche'`)
	ada.do(`write($('query'), 'no such words');`)
	ada.until(`$('panel-body').textContent.includes('No message contains all of these words')`)
}
