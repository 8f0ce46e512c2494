package browser

import (
	"strings"
	"testing"
)

// Messages are formatted as nodes. Markup that makes no sense stays as it is.
func TestFormat(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("bob")
	ada.makes("talk", false)
	bob.joins("talk")
	for i, c := range []struct{ text, want string }{
		{"a **b** *c* _d_ ~~e~~ `**f**`", "a <strong>b</strong> <em>c</em> <em>d</em> <s>e</s> <code>**f**</code>"},
		{"***both***", "<strong><em>both</em></strong>"},
		{"2*3*4 snake_case_name 2**3**4 __init__ f(*p, *q)", "2*3*4 snake_case_name 2**3**4 __init__ f(*p, *q)"},
		{"- one\n- two\n  - in\n3. x\n4. y\nend", `<ul><li dir="auto">one</li><li dir="auto">two<ul><li dir="auto">in</li></ul></li></ul><ol start="3"><li dir="auto">x</li><li dir="auto">y</li></ol>end`},
		{"first\n\n> quote **b**\n> more\n\nlast", `first<blockquote dir="auto">quote <strong>b</strong>` + "\n" + `more</blockquote>last`},
		{">:( hi\n-5 * 3 * 2", "&gt;:( hi\n-5 * 3 * 2"},
		{"这是**重点**吧", "这是<strong>重点</strong>吧"},
		{"**<img src=x onerror=hit=1>**", "<strong>&lt;img src=x onerror=hit=1&gt;</strong>"},
		{"*[x](javascript:hit=1)*", "<em>[x](javascript:hit=1)</em>"},
		{"@Bob, and @Carl.x, not x@bob or @bobby", `<span class="mention">@<bdi>Bob</bdi></span>, and <span class="mention">@<bdi>Carl.x</bdi></span>, not x@bob or <span class="mention">@<bdi>bobby</bdi></span>`},
	} {
		ada.says(c.text)
		ada.until(`all('#messages .message:not(.pending) .text').length === args[0]`, i+1)
		if got := ada.text(`(await until('it', () => all('#messages .message:not(.pending) .text')[args[0]])).innerHTML.replaceAll(/ tabindex="-?\d"/g, '')`, i); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
	ada.until(`globalThis.hit === undefined`)
	bob.until(`all('.to-me').length === 1 && all('.to-me .mention.me').length === 1`)
	bob.until(`all('#messages .message').length === 10`)
}

// Search results are highlighted, regardless of accents, and within scripts without spaces.
func TestMarked(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	for _, c := range []struct{ text, query, want string }{
		{"a café, CAFETERIA, decafe", "cafe", "a <mark>café</mark>, <mark>CAFE</mark>TERIA, decafe"},
		{"cafe\u0301s", "CAFÉ", "<mark>cafe\u0301</mark>s"},
		{"昨日東京に行った", "東京", "昨日<mark>東京</mark>に行った"},
		{"на ёлке", "елк", "на <mark>ёлк</mark>е"},
		{"👍 ok? (.*)", "👍 (.*) ok", "<mark>👍</mark> <mark>ok</mark>? (.*)"},
		{"कि का", "कि", "<mark>कि</mark> का"},
		{"nothing", "...", "nothing"},
	} {
		got := ada.text(`(async () => { const box = document.createElement('div'); box.append((await import('/text-format.js')).marked(args[0], args[1])); return box.innerHTML; })()`, c.text, c.query)
		if got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.query, c.text, got, c.want)
		}
	}
}

// The time and depth of formatting are bounded for text that is deeply nested or full of markup.
func TestFormatIsBounded(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	ada.do(`
		const { render } = await import('/text-format.js');
		for (const sign of ['**a ', '*a ', '_a ', '~~a ', '**_', '@a', '> ', '>', '- ', '  ', '1. ', String.fromCharCode(96), '**_x_** ', '\n- ', '\n> ', 'http://a(']) {
			const text = sign.repeat(8000 / sign.length), box = document.createElement('div');
			box.append(render(text, { name: 'ada' }));
			let deepest = 0;
			for (const e of box.querySelectorAll('*')) {
				let depth = 0;
				for (let p = e; p !== box; p = p.parentElement) depth++;
				deepest = Math.max(deepest, depth);
			}
			if (deepest > 20) throw new Error(deepest + ' deep: ' + sign);
		}`)
}

// Right-to-left names and characters that change the direction do not affect the text around them.
func TestBidirectionalText(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("דנה")
	ada.makes("talk", false)
	ada.says("http://a.example/\u202egpj.exe")
	ada.until(`all('#messages .message:not(.pending) .text a').length === 1`)
	ada.do(`
		const a = all('#messages .text a')[0], style = getComputedStyle(a);
		if (a.textContent !== 'http://a.example/%E2%80%AEgpj.exe' || a.href !== a.textContent) throw new Error(a.textContent + ' leads to ' + a.href);
		if (style.unicodeBidi !== 'isolate' || style.direction !== 'ltr') throw new Error('the link is not isolated');`)
	ada.says("https://bank.example@evil.example/ and https://xn--pple-43d.com/ and https://\u0430pple.com/")
	ada.until(`all('#messages .message:not(.pending) .text').length === 2`)
	ada.do(`
		const links = all('#messages .text a').slice(1).map(a => a.textContent + '|' + a.title);
		if (links.join(' ') !== 'https://xn--pple-43d.com/| https://\u0430pple.com/|xn--pple-43d.com') throw new Error('links: ' + links);`)
	bob := h.guest(1280).signUp("bob")
	bob.joins("talk")
	ada.do(`write($('text'), 'I am wri');`)
	bob.until(`$('typing').querySelector('bdi')?.textContent === 'דנה'`)
	bob.until(`$('act-people').title.includes('\u2068דנה\u2069')`)
	bob.do(`$('act-people').click();`)
	bob.until(`all('#panel .person bdi').length === 2`)
}

// Names with a hyphen, a dot or an underscore can be mentioned.
func TestPunctuationInNames(t *testing.T) {
	h := open(t)
	ada := h.guest(1280).signUp("ada")
	ada.makes("talk", false)
	for _, name := range []string{"ann-marie", "b.lee", "c_d"} {
		g := h.guest(1280).signUp(name)
		g.joins("talk")
		ada.says("to @" + name + "!")
		g.sees("to @" + name + "!")
		g.until(`all('.to-me').length === 1 && all('.to-me .mention.me bdi')[0].textContent === args[0]`, name)
		other := strings.NewReplacer("-", "x", ".", "x", "_", "x").Replace(name)
		ada.says("to @" + other)
		g.sees("to @" + other)
		g.until(`all('.to-me').length === 1`)
	}
}

// A room with an unread mention is marked until it is read, even if the page was not open when the
// message was sent.
func TestMention(t *testing.T) {
	h := open(t)
	ada, bob := h.guest(1280).signUp("ada"), h.guest(1280).signUp("Bob Lee")
	ada.makes("talk", false)
	bob.joins("talk")
	bob.makes("elsewhere", true)
	ada.says("not to bob, nor to @bob leeward")
	bob.until(`all('.count').length === 1 && all('.count')[0].textContent.startsWith('1')`)
	bob.do(`if (all('.count.at').length > 0) throw new Error('a message that does not mention bob is marked');`)
	ada.says("but to @bob lee!")
	bob.until(`all('.count.at').length === 1`)
	ada.says("and more")
	bob.visit()
	bob.until(`all('.count.at').length === 1 && all('.count:not(.at)')[0].textContent.startsWith('3')`)
	bob.do(`Object.defineProperty(document, 'hasFocus', { value: () => true });`)
	bob.opens("talk")
	bob.until(`all('.to-me').length === 1 && all('.count').length === 0`)
	bob.visit()
	bob.until(`$('my-state').textContent === 'connected' && all('.count').length === 0`)
}
