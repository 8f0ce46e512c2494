package browser

import "testing"

// twoRooms signs up ada, who is in two rooms: "one" with 300 messages, which is open, and "two" with
// three.
func twoRooms(h *house) *guest {
	h.Helper()
	ada := h.guest(1280).signUp("ada")
	ada.makes("one", false)
	h.fill(300)
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.makes("two", false)
	for _, text := range []string{"first in two", "second in two", "third in two"} {
		ada.says(text)
		ada.sees(text)
	}
	ada.opens("one")
	ada.until(`texts().at(-1)?.startsWith('message 300')`)
	return ada
}

// reveals shows the first message of "one", far from its end.
func (g *guest) reveals() {
	g.Helper()
	g.do(`$('act-search').click(); write($('query'), 'message 1');`)
	g.until(`button('Older results')`)
	g.do(`
		while (button('Older results')) {
			const n = all('.result').length;
			button('Older results').click();
			await until('more results', () => all('.result').length > n);
		}
		all('.result').at(-1).click();`)
}

// A message goes to the room that was open when it was sent, even if the page shows it later.
func TestSwitchWhileSending(t *testing.T) {
	h := open(t)
	ada := twoRooms(h)
	ada.reveals()
	ada.until(`document.activeElement?.dataset?.number === '1'`)
	ada.do(`hold(/messages/); write($('text'), 'only for one'); press($('text'), 'Enter'); await isHeld();`)
	ada.turnsTo("two")
	ada.do(`await release();`)
	ada.seesAll("first in two", "second in two", "third in two")
	ada.opens("one")
	ada.sees("only for one")
	ada.opens("two")
	ada.says("to two")
	ada.seesAll("first in two", "second in two", "third in two", "to two")
}

// A search result is not highlighted in another room that was opened meanwhile.
func TestSwitchWhileRevealing(t *testing.T) {
	h := open(t)
	ada := twoRooms(h)
	ada.do(`hold(/messages/);`)
	ada.reveals()
	ada.do(`await isHeld();`)
	ada.turnsTo("two")
	ada.do(`
		await release();
		if (document.activeElement.dataset.number || all('.found').length > 0) throw new Error('a message of another room is highlighted');`)
	ada.until(`$('jump').hidden`)
	ada.seesAll("first in two", "second in two", "third in two")
}

// A dialog applies to the room in which it was opened.
func TestSwitchWhileAsked(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	for _, room := range []string{"red", "blue"} {
		ada.makes(room, true)
		ada.says("first in " + room)
		ada.sees("first in " + room)
	}
	ada.do(`await act(all('#messages .message')[0], 'Delete this message'); await until('the dialog', () => $('dialog').open);`)
	ada.turnsTo("red")
	ada.do(`await click('Delete', $('dialog'));`)
	ada.until(`!$('dialog').open`)
	ada.seesAll("first in red")
	ada.opens("blue")
	ada.seesAll("This message was deleted.")

	ada.do(`
		$('act-people').click();
		await click('Invite someone');
		write(document.querySelector('#dialog [name=name]'), 'bob');
		hold(/invite/);
		document.querySelector('#dialog form').requestSubmit();
		await isHeld();`)
	ada.turnsTo("red")
	ada.do(`
		await release();
		if ($('toasts').textContent !== 'bob is now a member of blue.') throw new Error('the notification is: ' + $('toasts').textContent);`)
	bob.until(`$('room-lists').textContent.includes('blue') && !$('room-lists').textContent.includes('red')`)

	ada.opens("blue")
	ada.do(`$('act-people').click(); await click('Message bob', $('panel')); `)
	ada.in("bob")
	ada.opens("blue")
	ada.do(`$('act-people').click(); await until('bob', () => button('Message bob', $('panel'))); hold(/direct/); button('Message bob', $('panel')).click(); await isHeld();`)
	ada.turnsTo("red")
	ada.do(`await release(); if ($('room-name').textContent !== 'red') throw new Error('another room was opened');`)

	ada.do(`$('act-people').click(); await click('Leave this room');`)
	ada.turnsTo("blue")
	ada.do(`await click('Leave', $('dialog'));`)
	ada.until(`!$('room-lists').textContent.includes('red') && $('room-name').textContent === 'blue'`)
}

// A response that arrives after its dialog was cancelled closes no other dialog and opens no room.
func TestDialogCancelled(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("one", false)
	ada.do(`
		$('act-create').click();
		write(document.querySelector('#dialog [name=name]'), 'two');
		hold(/rooms$/);
		document.querySelector('#dialog form').requestSubmit();
		await isHeld();
		button('Cancel', $('dialog')).click();
		$('act-direct').click();
		write(document.querySelector('#dialog [name=name]'), 'somebody');
		await release();
		await until('the room', () => $('room-lists').textContent.includes('two'));
		if (!$('dialog').open || document.querySelector('#dialog [name=name]').value !== 'somebody') throw new Error('another dialog was closed');
		if ($('room-name').textContent !== 'one') throw new Error('another room was opened');`)
}

// A list of rooms that was requested before a room was created does not remove the room.
func TestOldListOfRooms(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("one", false)
	ada.do(`
		const real = globalThis.fetch, old = await (await real('/api/me')).json();
		let asked = 0;
		globalThis.fetch = (path, options) => {
			if (!path.startsWith('/api/me') || asked++ > 0) return real(path, options);
			return new Promise(resolve => { globalThis.answer = () => resolve({ ok: true, status: 200, headers: new Headers(), json: async () => old }); });
		};
		dispatchEvent(new Event('online'));`)
	h.proxy.Cut() // so that the page requests the list
	ada.until(`globalThis.answer`)
	ada.makes("two", false)
	ada.do(`
		write($('text'), 'to two');
		answer();
		await new Promise(resolve => setTimeout(resolve));
		if ($('room-name').textContent !== 'two' || $('text').value !== 'to two') throw new Error('another room was opened');`)
	ada.do(`press($('text'), 'Enter');`)
	ada.seesAll("to two")
}

// A request that marks messages as read is repeated if it has failed.
func TestReadIsRepeated(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	ada.makes("talk", false)
	bob.joins("talk")
	bob.do(`
		const real = globalThis.fetch;
		globalThis.fetch = (path, options) => {
			if (!path.endsWith('/read')) return real(path, options);
			globalThis.refused = true;
			return Promise.reject(new TypeError('no network'));
		};
		globalThis.restore = () => { globalThis.fetch = real; };
		Object.defineProperty(document, 'hasFocus', { value: () => true });`)
	ada.says("hello")
	bob.sees("hello")
	bob.until(`globalThis.refused`)
	bob.do(`restore();`)
	h.proxy.Cut()
	bob.until(`fetch('/api/me').then(r => r.json()).then(me => me.rooms[0].last === 1 && me.rooms[0].read === 1, () => false)`)
}

// An Enter that chooses a word in an input method does not send the message.
func TestInputMethod(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.do(`
		write($('text'), 'にほん');
		for (const how of [{ isComposing: true, keyCode: 229 }, { isComposing: false, keyCode: 229 }]) {
			$('text').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...how }));
			if ($('text').value !== 'にほん') throw new Error('half a word was sent: ' + JSON.stringify(how));
			write($('filter'), 'talk');
			$('filter').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...how }));
			if ($('filter').value !== 'talk') throw new Error('a room was chosen: ' + JSON.stringify(how));
		}
		press($('text'), 'Enter');`)
	ada.seesAll("にほん")
}

// The line between days shows "Today" until midnight.
func TestToday(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.says("hello")
	ada.until(`all('.rule.day')[0]?.textContent === 'Today'`)
	ada.do(`
		const now = Date.now;
		Date.now = () => now() + 86_400_000;
		dispatchEvent(new Event('focus'));`)
	ada.until(`all('.rule.day')[0].textContent === 'Yesterday'`)
}
