package browser

import "testing"

// The list of people shows presence as soon as it is opened.
func TestPeopleHere(t *testing.T) {
	h := open(t)
	ada, bob, eve := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob"), h.guest(1280).signUp("eve")
	ada.makes("talk", false)
	bob.joins("talk")
	eve.joins("talk")
	eve.makes("elsewhere", true)
	ada.until(`$('act-people').textContent.startsWith('2')`)
	ada.do(`$('act-people').click();`)
	const here = `all('#panel .person').map(e => e.querySelector('bdi').textContent + e.querySelector('.presence').textContent + e.classList.contains('is-here')).join()`
	ada.until(here + ` === 'adahere nowtrue,bobhere nowtrue,evefalse'`)
	eve.opens("talk")
	ada.until(here + ` === 'adahere nowtrue,bobhere nowtrue,evehere nowtrue'`)
}

// A message that is being sent has the same size of text as one that is stored.
func TestPending(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.says("one")
	ada.sees("one")
	h.proxy.Shut(true)
	ada.says("two")
	ada.do(`
		const pending = await until('it', () => all('.pending .text')[0]), size = e => getComputedStyle(e).fontSize;
		if (size(pending) !== size(all('.message:not(.pending) .text')[0])) throw new Error('the size of the text is ' + size(pending));`)
	h.proxy.Shut(false)
	ada.seesAll("one", "two")
}

// A sent message is visible without interruption until it comes back from the server, even while
// the room is loading.
func TestSentStaysShown(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("other", true)
	ada.makes("talk", false)
	ada.says("before")
	ada.sees("before")
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.do(`hold(/messages/);`)
	ada.opens("talk")
	ada.do(`
		await isHeld();
		globalThis.gaps = 0;
		const shown = () => all('#messages .text').some(e => e.innerText === 'hello');
		const heard = new Promise(resolve => {
			const other = new WebSocket(location.origin.replace('http', 'ws') + '/rooms/' + location.hash.slice(2));
			other.onmessage = e => e.data.includes('hello') && resolve();
			globalThis.listening = new Promise(resolve => { other.onopen = resolve; });
		});
		await listening;
		write($('text'), 'hello');
		press($('text'), 'Enter');
		await until('it', shown);
		new MutationObserver(() => { if (!shown()) globalThis.gaps++; }).observe($('messages'), { childList: true, subtree: true });
		await heard;`)
	ada.until(`fetch('/api/me').then(r => r.json()).then(me => me.rooms.some(r => r.last === 2))`)
	ada.do(`await release();`)
	ada.seesAll("before", "hello")
	ada.until(`all('.pending').length === 0`)
	ada.do(`if (gaps > 0) throw new Error('the message disappeared ' + gaps + ' times');`)
}

// The time beside a message fits there, in all languages.
func TestTimeBeside(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.says("one")
	ada.says("two")
	ada.seesAll("one", "two")
	ada.do(`
		const column = all('.gutter')[0], DateTimeFormat = Intl.DateTimeFormat;
		for (const language of ['en-US', 'en-GB', 'ko', 'ar-EG', 'bg', 'hi', 'zh-TW', 'es-MX', 'fi']) {
			Intl.DateTimeFormat = function (_, options) { return new DateTimeFormat(language, options); };
			const { gutter } = await import('/time.js?' + language);
			column.textContent = gutter(Date.UTC(2026, 0, 1, 22, 58));
			if (column.scrollWidth > column.clientWidth) throw new Error(language + ': ' + column.textContent + ' needs ' + column.scrollWidth + ' of ' + column.clientWidth);
			if (!/^\p{N}{1,2}\P{L}\p{N}{2}$/u.test(column.textContent)) throw new Error(language + ': ' + column.textContent);
		}
		Intl.DateTimeFormat = DateTimeFormat;`)
}

// The list of messages has one tab stop, however many buttons the messages have. The arrow keys move
// from message to message.
func TestRovingTabindex(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("long", false)
	h.fill(100)
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.opens("long")
	ada.until(`texts().at(-1)?.startsWith('message 100')`)
	ada.says("see https://example.org/ and `code`")
	ada.until(`all('#messages a').length === 1 && all('.pending').length === 0`)
	const stops = `[...$('log').querySelectorAll('a, button, [tabindex]')].filter(e => e.tabIndex === 0 && !e.closest('[hidden]'))`
	ada.until(stops + `.length === 5`) // the last message, its link and its three buttons
	ada.do(`
		const list = all('#messages .message');
		list.at(-1).focus();
		press(document.activeElement, 'ArrowUp');
		if (document.activeElement !== list.at(-2)) throw new Error('the arrow key does not move to the previous message');
		press(document.activeElement, 'Home');
		if (document.activeElement !== list[0]) throw new Error('Home does not move to the first message');
		press(document.activeElement, 'ArrowDown');
		if (document.activeElement !== list[1]) throw new Error('the arrow key does not move to the next message');`)
	ada.until(stops + `.length === 4`)
	ada.do(`$('text').focus();`)
	ada.do(`await act(all('#messages .message').at(-1), 'Delete this message'); await click('Delete', $('dialog'));`)
	ada.until(`all('.deleted').length === 1 && document.activeElement === all('#messages .message').at(-1)`)
}

// Loading older messages does not move the focus.
func TestFocusStays(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("long", false)
	h.fill(120)
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.opens("long")
	ada.until(`texts().at(-1)?.startsWith('message 120')`)
	ada.do(`
		const m = all('#messages .message').at(-10);
		m.focus();
		$('messages').addEventListener('focusout', () => { globalThis.lost = true; });
		for (const end = Date.now() + 20000; all('#messages .message')[0].dataset.number !== '1';) {
			$('log').scrollTop = 0;
			await new Promise(requestAnimationFrame);
			if (Date.now() > end) throw new Error('the first message was not loaded');
		}
		if (globalThis.lost || document.activeElement !== m) throw new Error('the focus has moved');`)
}

// There is a line between the messages and the field.
func TestLineAboveTheField(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.do(`
		const style = getComputedStyle($('foot')), room = $('room').getBoundingClientRect(), foot = $('foot').getBoundingClientRect();
		if (style.borderTopWidth !== '1px' || foot.width !== room.width) throw new Error('no line: ' + style.borderTopWidth + ', ' + foot.width);`)
}
