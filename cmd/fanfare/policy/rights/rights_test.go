package rights

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/fanfare-ws/fanfare/hub"
)

func TestMay(t *testing.T) {
	for _, c := range []struct {
		rights    string
		user      string
		allowed   string
		forbidden string
	}{
		{">", "", "a a.b * > a.> a.*", "@ada @> @ada.x"},
		{"prices.>", "", "prices.eu prices.* prices.*.eu prices.> prices.eu.*.>", "prices prices* pricesx.a > * *.eu other.>"},
		{"prices.*", "", "prices.eu prices.*", "prices prices.eu.bid prices.> prices.*.*"},
		{"*", "", "a *", "a.b > *.b @ada"},
		{"a.*.c", "", "a.b.c a.*.c", "a.b a.b.d a.b.c.d a.> *.b.c a.*.*"},
		{"a.b a.b.c x.>", "", "a.b a.b.c x.y", "a a.b.c.d a.* x"},
		{"@ada", "", "@ada", "@bob @ad @ada.x @> @* ada"},
		{"@>", "", "@ada @ada.x @>", "ada > *"},
		{"@{user}", "ada", "@ada", "@bob @ @> @ada.x ada"},
		{"@{user}", "", "", "@ @> @{user}"},
		{"@{user}", "a.b", "@a.b", "@a @a%2Eb"},
		{"inbox.{user}.>", "ada", "inbox.ada.x inbox.ada.*", "inbox.ada inbox.adam.x inbox.*.x inbox.> inbox.bob.x"},
		{"inbox.{user}.>", "", "", "inbox..x inbox.x.y inbox.{user}.x"},
		{"inbox.{user}.>", "a", "inbox.a.x", "inbox.a%2Eb.x"},
		{"inbox.{user}.>", "a.b", "inbox.a%2Eb.x inbox.a%2Eb.>", "inbox.a.b.x inbox.a.x inbox.a%2eb.x"},
		{"inbox.{user}.>", "*", "inbox.%2A.x", "inbox.*.x inbox.b.x"},
		{"{user}.>", ">", "%3E.x", "a.x >.x > *.x"},
		{"{user}.>", "@bob", "%40bob.x", "@bob.x @bob"},
		{"{user}", "a%2Eb", "a%252Eb", "a%2Eb a.b"},
		{"{user}", "zoë@example", "zoë@example", "zoë%40example"},
		{"", "ada", "", "a > @ada *"},
	} {
		r := may(t, strings.Fields(c.rights)...).For(c.user)
		for _, topic := range strings.Fields(c.allowed) {
			if !r.May(Read, topic) || r.May(Write, topic) {
				t.Errorf("%q of %q does not allow to read %s, or allows to write it", c.rights, c.user, topic)
			}
		}
		for _, topic := range append(strings.Fields(c.forbidden), "") {
			if r.May(Read, topic) {
				t.Errorf("%q of %q allows %q", c.rights, c.user, topic)
			}
		}
	}
}

// {user} has a token of its own for each user, and a topic can have it.
func TestEscape(t *testing.T) {
	seen := make(map[string]string)
	users := names([]string{"a", "%", "%2E", "*", ">", "@", "/", "é"}, 3)
	for _, user := range users {
		token := Escape(user)
		if other, ok := seen[token]; ok && other != user {
			t.Errorf("%q and %q are both %q", user, other, token)
		}
		seen[token] = user
		if err := hub.CheckName(token); err != nil || strings.Contains(token, ".") || !isEscaped(token, user) {
			t.Errorf("%q is %q: %v", user, token, err)
		}
	}
	for token, user := range seen {
		for _, other := range users[:100] {
			if isEscaped(token, other) != (user == other) {
				t.Errorf("%q is taken for %q, and is of %q", token, other, user)
			}
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for pattern, says := range map[string]string{
		"": "empty", "a..b": "empty part", "a.>.b": "before its end", "a*": "parts of their own", "a b": `' '`, "a.{user}x": "of its own",
		"{usr}.x": "placeholder", "x{user}": "of its own", "@": "@NAME", "@*": "@NAME", "@a.>": "@NAME", "@{user}.x": "@NAME", "@a b": "user",
		strings.Repeat("a", 256): "256 bytes", "a/b": `'/'`,
	} {
		if err := CheckPattern(pattern); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hub:") {
			t.Errorf("%q: %v, want %q", pattern, err, says)
		}
	}
	for _, pattern := range []string{"a", "a.*", ">", "*", "a.{user}.>", "{user}", "@ada", "@a.b", "@{user}", "@>", "json{1}"} {
		if err := CheckPattern(pattern); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	g := Grants{Read: []string{"ok", "a..b"}, Manage: []string{"a*"}, Limits: Limits{Messages: -1, Conns: -2}}
	if all := g.Check(); len(all) != 4 || !strings.HasPrefix(all[0].Error(), "read[1]: ") || !strings.HasPrefix(all[1].Error(), "manage[0]: ") {
		t.Errorf("%v", all)
	}
	if _, err := Compile(Grants{Read: make([]string, MaxPatterns+1)}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
}

// A user name that no topic could have is refused long before, and cannot widen a right here either.
func TestNil(t *testing.T) {
	var r *Rights
	if r.May(Read, "a") || r.Any(Read) || !r.Anonymous() || r.For("ada") != nil || r.Limits() != (Limits{}) || !reflect.DeepEqual(r.Grants(), Grants{}) {
		t.Error("nil rights allow something")
	}
	if may(t, ">").May(actions, "a") || Action(actions).String() != "unknown" {
		t.Error("an unknown action is allowed")
	}
}

// Equal rights are one table, which ends with its last user.
func TestSharing(t *testing.T) {
	before := tableCount()
	a, _ := Compile(Grants{Read: []string{"b", "a"}, Write: []string{"a"}, Limits: Limits{Messages: 3}})
	b, _ := Compile(Grants{Write: []string{"a"}, Read: []string{"a", "b", "a"}, Limits: Limits{Messages: 3}})
	c, _ := Compile(Grants{Write: []string{"a"}, Read: []string{"a", "b"}, Limits: Limits{Messages: 4}})
	d, _ := CompileAnonymous(Grants{Write: []string{"a"}, Read: []string{"a", "b"}, Limits: Limits{Messages: 4}})
	if a != b || a == c || c == d || !d.Anonymous() || c.Anonymous() || a.Limits().Messages != 3 || a.For("ada") != a || !a.Equal(b) || a.Equal(c) {
		t.Error("equal rights are not the same, or others are")
	}
	if g := a.Grants(); !reflect.DeepEqual(g, Grants{Read: []string{"a", "b"}, Write: []string{"a"}, Limits: Limits{Messages: 3}}) {
		t.Errorf("%+v", g)
	}
	own := may(t, "x.{user}")
	if ada := own.For("ada"); ada == own || !ada.Equal(own.For("ada")) || ada.Equal(own.For("bob")) || unsafe.Sizeof(*ada) != 24 {
		t.Error("rights of a user are not equal to themselves, are equal to those of another, or are large")
	}
	runtime.KeepAlive(own)
	for i := range 100 {
		may(t, fmt.Sprint("t.", i))
	}
	for range 100 {
		if runtime.GC(); tableCount() <= before+1 {
			break
		}
		runtime.Gosched()
	}
	if n := tableCount(); n > before+5 {
		t.Errorf("%d tables remain", n-before)
	}
	runtime.KeepAlive([]any{a, c, d})
}

func tableCount() int {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	return len(shared.m)
}

func TestMayDoesNotAllocate(t *testing.T) {
	r := many(1000).For("a.b")
	if n := testing.AllocsPerRun(100, func() {
		r.May(Read, "room.17.chat")
		r.May(Read, "inbox.a%2Eb.x")
		r.May(Read, "@ada")
		r.May(Read, "none.*.>")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func many(n int) *Rights {
	list := []string{"inbox.{user}.>", "@{user}", "*.public.>"}
	for i := range n {
		list = append(list, fmt.Sprintf("room.%d.>", i))
	}
	r, err := Compile(Grants{Read: list})
	if err != nil {
		panic(err)
	}
	return r
}

func BenchmarkMay(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		r := many(n).For("ada")
		for _, topic := range []string{"room.0.chat", "room.none.chat", "inbox.ada.x", "@ada"} {
			b.Run(fmt.Sprintf("rights=%d/%s", n, topic), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.May(Read, topic)
				}
			})
		}
	}
}

func BenchmarkCompileKnown(b *testing.B) {
	g := Grants{Read: []string{"news.>", "prices.*", "inbox.{user}.>"}, Write: []string{"chat.lobby"}}
	keep, _ := Compile(g)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Compile(g)
	}
	runtime.KeepAlive(keep)
}
