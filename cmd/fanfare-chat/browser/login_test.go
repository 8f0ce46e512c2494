package browser

import (
	"context"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
)

// A login that ends leads to the form, and what was being written is there after the next.
func TestLoginEnds(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.says("one")
	ada.sees("one")
	ada.do(`write($('text'), 'half a sen');`)
	ada.do(`await fetch('/api/logout', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });`)
	ada.until(`seen($('entry-form')) && $('entry-notice').textContent.includes('what you were writing is kept')`)
	ada.enter("Log in", "ada", password)
	ada.in("talk")
	ada.until(`$('text').value === 'half a sen'`)

	ada.sees("one")
	ada.do(`press($('text'), 'Escape'); write($('text'), ''); press($('text'), 'ArrowUp'); await until('the message', () => $('text').value === 'one'); write($('text'), 'one and');`)
	ada.expires()
	ada.until(`seen($('entry-form')) && $('entry-notice').textContent.includes('what you were writing is kept')`)
	ada.enter("Log in", "ada", password)
	ada.in("talk")
	ada.until(`$('text').value === 'one and' && seen($('editing'))`)
	ada.says("one and two")
	ada.seesAll("one and two")
}

// expires ends all logins while the house is closed, which the page hears of by a refused
// request alone.
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

// Who logs in again in another window of the same browser goes on in this one, as who
// they are now.
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

// What could not be sent before a login ended is sent after the next one.
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

// Who logs out leaves nothing behind for the next at this screen.
func TestNothingLeftBehind(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.do(`
		write($('text'), 'a secret');
		if (!JSON.stringify(sessionStorage).includes('a secret')) throw new Error('a draft is not kept');
		$('act-logout').click();`)
	ada.until(`seen($('entry-form')) && !JSON.stringify(sessionStorage).includes('a secret') && location.hash === ''`)
	ada.signUp("bob")
	ada.joins("talk")
	ada.until(`$('text').value === ''`)
}

// Who changes their password stays, and others with the old one are out.
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
		await says('not the same');
		fill('wrong horse', 'another horse', 'another horse');
		await says('not your password');
		fill('correct horse', 'short', 'short');
		await says('too short');
		fill('correct horse', 'another horse', 'another horse');
		await until('the end of the question', () => !$('dialog').open && $('toasts').textContent.includes('changed'));`)
	other.until(`seen($('entry-form')) && $('entry-notice').textContent.includes('logged out')`)
	other.enter("Log in", "ada", password)
	other.until(`$('entry-error').textContent !== '' && !$('entry-submit').disabled`)
	other.enter("Log in", "ada", "another horse")
	other.until(`seen($('app')) && $('my-state').textContent === 'connected'`)
	ada.until(`seen($('app')) && $('my-state').textContent === 'connected'`)
}
