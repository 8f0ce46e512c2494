package browser

import (
	"context"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
)

// When a login ends, the page shows the form, and the draft is there again after the next login.
func TestLoginEnds(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.says("one")
	ada.sees("one")
	ada.do(`write($('text'), 'half a sen');`)
	ada.do(`await fetch('/api/logout', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });`)
	ada.until(`seen($('entry-form')) && $('entry-notice').textContent.includes('Your drafts have been kept')`)
	ada.enter("Log in", "ada", password)
	ada.in("talk")
	ada.until(`$('text').value === 'half a sen'`)

	ada.sees("one")
	ada.do(`press($('text'), 'Escape'); write($('text'), ''); press($('text'), 'ArrowUp'); await until('the message', () => $('text').value === 'one'); write($('text'), 'one and');`)
	ada.expires()
	ada.until(`seen($('entry-form')) && $('entry-notice').textContent.includes('Your drafts have been kept')`)
	ada.enter("Log in", "ada", password)
	ada.in("talk")
	ada.until(`$('text').value === 'one and' && seen($('editing'))`)
	ada.says("one and two")
	ada.seesAll("one and two")
}

// expires ends all logins while the server is stopped, so the page learns of it only by a refused
// request.
func (g *guest) expires() {
	g.Helper()
	g.stop()
	kept, err := sqlstore.Open(context.Background(), g.file)
	if err != nil {
		g.Fatal(err)
	}
	if _, err := kept.ExpireLogins(context.Background(), time.Now().AddDate(1, 0, 0)); err != nil {
		g.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		g.Fatal(err)
	}
	g.start()
}

// After a login in another tab of the same browser, this tab continues as the user of that login.
func TestLoginReplaced(t *testing.T) {
	h := open(t)
	h.guest(1280).signUp("bob")
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", true)
	ada.do(`write($('text'), 'half a sen');`)
	logIn := func(name string) {
		ada.do(`
			globalThis.before = $('my-avatar');
			const r = await fetch('/api/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: args[0], password: args[1] }) });
			if (!r.ok) throw new Error(await r.text());`, name, password)
		ada.until(`$('my-avatar') !== globalThis.before && seen($('app')) && $('my-state').textContent === 'connected' && $('my-name').textContent === args[0]`, name)
	}
	logIn("ada")
	ada.in("talk")
	ada.until(`$('text').value === 'half a sen'`)
	logIn("bob")
	ada.until(`seen($('empty')) && !$('room-lists').textContent.includes('talk') && $('text').value === ''`)
}

// A message that could not be sent before a login ended is sent after the next login.
func TestLoginEndsWhileSending(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	h.stop()
	ada.until(`$('my-state').textContent === 'not connected'`)
	ada.says("written before")
	ada.until(`all('.pending').length === 1`)
	ada.expires()
	ada.until(`seen($('entry-form'))`)
	ada.enter("Log in", "ada", password)
	ada.in("talk")
	ada.seesAll("written before")
	ada.until(`all('.pending').length === 0`)
}

// Logging out deletes the drafts and the outbox in the tab.
func TestNothingLeftBehind(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.do(`
		write($('text'), 'a secret');
		if (!JSON.stringify(sessionStorage).includes('a secret')) throw new Error('the draft is not stored');
		$('act-logout').click();`)
	ada.until(`seen($('entry-form')) && !JSON.stringify(sessionStorage).includes('a secret') && location.hash === ''`)
	ada.signUp("bob")
	ada.joins("talk")
	ada.until(`$('text').value === ''`)
}

// Changing the password keeps this login, and ends the user's other logins.
func TestChangePassword(t *testing.T) {
	h := open(t)
	ada, other := h.guest(1280).signUp("ada"), h.guest(1280)
	other.enter("Log in", "ada", password)
	other.until(`seen($('app')) && $('my-state').textContent === 'connected'`)
	ada.do(`
		$('act-account').click();
		const fill = (current, wanted, again) => {
			for (const [name, value] of Object.entries({ current, wanted, again })) write(document.querySelector('#dialog [name=' + name + ']'), value);
			document.querySelector('#dialog form').requestSubmit();
		};
		const says = words => until(words, () => document.querySelector('#dialog .error').textContent.includes(words) && seen($('app')));
		fill('correct horse', 'another horse', 'another house');
		await says('do not match');
		fill('wrong horse', 'another horse', 'another horse');
		await says('current password is incorrect');
		fill('correct horse', 'short', 'short');
		await says('too short');
		fill('correct horse', 'another horse', 'another horse');
		await until('the dialog to close', () => !$('dialog').open && $('toasts').textContent.includes('changed'));`)
	other.until(`seen($('entry-form')) && $('entry-notice').textContent.includes('no longer logged in')`)
	other.enter("Log in", "ada", password)
	other.until(`$('entry-error').textContent !== '' && !$('entry-submit').disabled`)
	other.enter("Log in", "ada", "another horse")
	other.until(`seen($('app')) && $('my-state').textContent === 'connected'`)
	ada.until(`seen($('app')) && $('my-state').textContent === 'connected'`)
}
