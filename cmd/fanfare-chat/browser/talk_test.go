package browser

import "testing"

func TestTwoPeople(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("Ada"), h.guest(1280).signUp("Björn")
	ada.makes("Straßenfest", false)
	ada.says("Hallo 🎉 zusammen")
	bob.joins("Straßenfest")
	bob.seesAll("Hallo 🎉 zusammen")
	ada.until(`$('act-people').textContent.includes('2')`)

	bob.do(`write($('text'), 'I am wri');`)
	ada.until(`$('typing').textContent === 'Björn is typing …'`)
	bob.says("first line\nsecond line")
	ada.seesAll("Hallo 🎉 zusammen", "first line\nsecond line")
	ada.until(`$('typing').textContent === ''`)

	bob.do(`
		press($('text'), 'ArrowUp');
		await until('the message to change', () => $('text').value === 'first line\nsecond line' && seen($('editing')));`)
	bob.says("one line")
	ada.seesAll("Hallo 🎉 zusammen", "one line")
	ada.until(`/^Edited .*\d/.test(all('.edited')[0]?.title)`)

	bob.do(`await act(all('#messages .message').at(-1), 'Delete this message'); await click('Delete', $('dialog'));`)
	for _, g := range []*guest{ada, bob} {
		g.seesAll("Hallo 🎉 zusammen", "This message was deleted.")
	}
	// Ada has the first account, so she is a moderator. Björn has no buttons for her messages.
	bob.until(`![...all('#messages .message')[0].querySelectorAll('.actions button')].some(b => /Edit|Delete/.test(b.ariaLabel))`)

	ada.do(`$('act-logout').click();`)
	ada.until(`seen($('entry-form')) && $('entry-notice').textContent === 'You have logged out.'`)
	bob.until(`$('act-people').textContent.includes('1')`)
	ada.visit()
	ada.until(`seen($('entry-form'))`)
	ada.enter("Log in", "ada", password) // names are compared without case
	ada.until(`$('my-name').textContent === 'Ada'`)
	ada.opens("Straßenfest")
	ada.seesAll("Hallo 🎉 zusammen", "This message was deleted.")
}

// Logging out ends the connections of all windows with the same cookie.
func TestLogOutEverywhere(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("Ada")
	ada.do(`
		globalThis.other = new (await import('/fanfare.js')).Fanfare('/hub');
		other.on('close', e => { globalThis.ended = e.code; });
		await until('another connection', () => other.state === 'open');
		await fetch('/api/logout', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });`)
	ada.until(`globalThis.ended === 3000 && seen($('entry-form')) && $('entry-notice').textContent !== ''`)
}

func TestLoginRefused(t *testing.T) {
	h := open(t)
	h.guest(1280).signUp("Ångström")
	g := h.guest(1280)
	wrong := []string{}
	for _, name := range []string{"Ångström", "nobody"} {
		g.enter("Log in", name, "wrong password")
		g.until(`$('entry-error').textContent !== '' && !$('entry-submit').disabled`)
		wrong = append(wrong, g.text(`$('entry-error').textContent`))
	}
	if wrong[0] != wrong[1] {
		t.Errorf("the error reveals whether a name exists: %q", wrong)
	}
	for _, name := range []string{"Ångström", "ÅNGSTRÖM", "A\u030angstro\u0308m", "ångström"} {
		g.enter("Create account", name, password)
		g.until(`$('entry-error').textContent.includes('taken') && !$('entry-submit').disabled`)
	}
	g.enter("Create account", "Bob", "short")
	g.until(`/at least|too short|characters|bytes/.test($('entry-error').textContent)`)
	g.signUp("Bob")
}

func TestPrivateRooms(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	bob.until(`seen($('empty')) && $('empty').textContent.includes('Welcome, bob')`)
	ada.makes("secret plans", true)
	ada.says("only for us")
	bob.do(`$('act-browse').click();`)
	bob.until(`$('dialog').textContent.includes('There are no open rooms yet')`)
	bob.do(`$('dialog').close();`)

	ada.do(`
		$('act-people').click();
		await click('Invite someone');
		write(document.querySelector('#dialog [name=name]'), 'nobody');
		document.querySelector('#dialog form').requestSubmit();
		await until('an error', () => document.querySelector('#dialog .error').textContent !== '');
		write(document.querySelector('#dialog [name=name]'), 'Bob');
		document.querySelector('#dialog form').requestSubmit();
		await until('the dialog to close', () => !$('dialog').open);`)
	bob.until(`$('room-lists').textContent.includes('secret plans')`)
	bob.opens("secret plans")
	bob.seesAll("only for us")

	bob.do(`$('act-direct').click(); write(document.querySelector('#dialog [name=name]'), 'ada'); document.querySelector('#dialog form').requestSubmit();`)
	bob.in("ada")
	bob.says("psst")
	bob.says("are you there?")
	ada.until(`all('#room-lists .unread .count')[0]?.textContent.startsWith('2') && document.title.startsWith('(2)')`)
	ada.opens("bob")
	ada.seesAll("psst", "are you there?")
	ada.do(`window.focus();`)
	ada.until(`all('#room-lists .count').length === 0 && !document.title.startsWith('(')`)

	bob.opens("secret plans")
	bob.do(`$('act-people').click(); await click('Leave this room'); await click('Leave', $('dialog'));`)
	bob.until(`!$('room-lists').textContent.includes('secret plans')`)
	ada.opens("secret plans")
	ada.says("he is gone")
	ada.sees("he is gone")
	bob.opens("ada")
	bob.seesAll("psst", "are you there?")
}
