package browser

import "testing"

// User input stays text wherever it is shown.
func TestInjection(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	const room = "room"
	ada.do(`$('act-create').click(); write(document.querySelector('#dialog [name=name]'), '<img src=x onerror=hit=1>'); document.querySelector('#dialog form').requestSubmit();`)
	ada.until(`document.querySelector('#dialog .error').textContent.includes('are allowed')`) // the error quotes part of the name
	ada.do(`$('dialog').close();`)
	ada.makes(room, false)
	messages := []string{
		`<script>hit=1</script>`,
		`<img src=x onerror=hit=1>`,
		`"><svg onload=hit=1>`,
		`javascript:hit=1 [x](javascript:hit=1)`,
		"`<iframe srcdoc='<script>parent.hit=1</script>'>`",
		`https://example.org/"onmouseover="hit=1`,
	}
	bob.joins(room)
	for i, m := range messages {
		ada.says(m)
		bob.until(`texts().length === args[0]`, i+1)
	}
	bob.do(`$('act-search').click(); write($('query'), 'hit');`)
	bob.until(`all('.result').length > 2`)
	for _, g := range []*guest{ada, bob} {
		g.do(`
			for (const a of document.querySelectorAll('#messages a')) {
				if (!/^https?:$/.test(a.protocol) || a.target !== '_blank' || !a.rel.includes('noopener')) throw new Error('a link: ' + a.outerHTML);
				for (const at of a.attributes) if (at.name.startsWith('on')) throw new Error('a link: ' + a.outerHTML);
			}
			const odd = document.querySelectorAll('#messages :is(script, img, svg:not(.icon, .icon *), iframe), #messages b, #room-name *, #room-lists b, .results img');
			for (const e of odd) if (!e.closest('button')) throw new Error('text became an element: ' + e.outerHTML);
			if (globalThis.hit !== undefined) throw new Error('a script ran');`)
	}
	// The Content-Security-Policy blocks scripts even if the page had a bug.
	bob.do(`
		let refused = 0;
		document.addEventListener('securitypolicyviolation', () => { refused++; });
		try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hit=1>'); } catch { refused++; }
		const s = document.createElement('script');
		try { s.textContent = 'hit=1'; document.body.append(s); } catch { refused++; }
		await until('both to be refused', () => refused >= 2);
		if (globalThis.hit !== undefined) throw new Error('a script ran');`)
}

// On a phone nothing is wider than the page, and the list of rooms is a drawer.
func TestPhone(t *testing.T) {
	h := open(t)
	ada := h.guest(390).signUp("ada")
	fits := `document.documentElement.scrollWidth <= innerWidth && $('log').scrollWidth <= $('log').clientWidth`
	ada.until(fits)
	ada.makes("Donaudampfschifffahrtskapitänspa", false)
	long := "ä"
	for range 8 {
		long += long
	}
	ada.says(long + " `" + long + "`")
	ada.until(`texts().length === 1 && ` + fits)
	ada.do(`
		if (!$('sidebar').inert) throw new Error('the closed drawer can be focused');
		$('drawer-open').click();
		await until('the drawer', () => !$('sidebar').inert && $('sidebar').getBoundingClientRect().left >= 0);
		if (!$('room').inert) throw new Error('the covered room can be focused');
		$('drawer-close').click();`)
	ada.until(`$('sidebar').inert && ` + fits)
}
