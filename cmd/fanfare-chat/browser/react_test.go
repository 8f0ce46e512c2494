package browser

import "testing"

// Everyone sees a reaction and the names of its users, and can add and remove their own.
func TestReactions(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(390).signUp("bob")
	ada.makes("talk", false)
	bob.joins("talk")
	ada.says("cake?")
	bob.sees("cake?")
	bob.do(`await act(all('#messages .message')[0], 'React'); await click('React with 🎉');`)
	const signs = `all('.reaction').map(e => e.dataset.sign + e.textContent.slice(e.dataset.sign.length) + ' ' + e.ariaPressed + ' ' + e.title.replaceAll(/[\u2066-\u2069]/g, '')).join()`
	ada.until(signs + ` === '🎉1 false bob'`)
	bob.until(signs + ` === '🎉1 true you'`)
	ada.do(`all('.reaction')[0].focus(); all('.reaction')[0].click();`)
	ada.until(signs + ` === '🎉2 true you and bob' && document.activeElement === all('.reaction')[0]`)
	bob.until(signs + ` === '🎉2 true you and ada'`)
	bob.do(`all('.reaction')[0].click();`)
	ada.until(signs + ` === '🎉1 true you'`)
	ada.visit()
	ada.until(`$('my-state').textContent === 'connected'`)
	ada.opens("talk")
	ada.until(signs + ` === '🎉1 true you'`)
	ada.do(`await act(all('#messages .message')[0], 'Delete this message'); await click('Delete', $('dialog'));`)
	for _, g := range []*guest{ada, bob} {
		g.until(`all('.deleted').length === 1 && all('.reaction').length === 0 && !button('React')`)
	}
}
