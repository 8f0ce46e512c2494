package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

func TestSameNames(t *testing.T) {
	for _, same := range [][]string{
		{"Ada", "ADA", "ada", " ada\t", "Ａｄａ"},
		{"Café", "Cafe\u0301", "CAFÉ", "cAFE\u0301"},
		{"Strasse", "straße", "STRASSE", "STRAẞE"},
		{"Ὀδυσσεύς", "ὀδυσσεύσ", "ὈΔΥΣΣΕΎΣ"},
		{"Ada Lovelace", "ada  lovelace", "ADA\u00a0LOVELACE", "ada\u3000lovelace"},
		{"ｶﾞ", "ガ", "カ\u3099"},
		{"Å", "Å", "A\u030a"}, {"Ꭰꭰ", "ꭰꭰ", "ᎠᎠ", "ꭰᎠ"}, {"ꮿᏸ", "ᏯᏰ"}, {"ЁЖ", "ёж"},
	} {
		_, want, err := ParseName(same[0])
		if err != nil {
			t.Errorf("%q: %v", same[0], err)
		}
		for _, name := range same[1:] {
			shown, key, err := ParseName(name)
			if err != nil || key != want {
				t.Errorf("%q: %q %v, want the key of %q, %q", name, key, err, same[0], want)
			}
			if got := Key(name); got != want {
				t.Errorf("Key(%q) is %q, want %q", name, got, want)
			}
			if _, again, err := ParseName(shown); err != nil || again != key {
				t.Errorf("%q is shown as %q, which has the key %q, %v", name, shown, again, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for name, shown := range map[string]string{
		"Ada": "Ada", "  Ada  ": "Ada", "a.b-c_d": "a.b-c_d", "Ada L 2": "Ada L 2", "李": "李", "नमस्ते": "नमस्ते",
		"Cafe\u0301": "Café", strings.Repeat("é", 32): strings.Repeat("é", 32), "Nguyễn": "Nguyễn", "א٣": "א٣",
	} {
		if got, _, err := ParseName(name); err != nil || got != shown {
			t.Errorf("%q: %q %v, want %q", name, got, err, shown)
		}
	}
	for name, says := range map[string]string{
		"": "empty", " \t": "empty", strings.Repeat("é", 33): "33 characters", "a\x00b": "contains", "a\xff": "UTF-8",
		"<b>": "contains", "@ada": "contains", "a\u200bb": "contains", "a\u202eb": "contains", "a\u3164": "contains",
		"a\ufe0f": "contains", "😀": "contains", "\u0301a": "accents", "a" + strings.Repeat("\u0335", 4): "accents",
		"a -b": "space next to", "..": "at least one letter", "pаypal": "Cyrillic", "x²": "contains", "a\u00adb": "contains", "ﬁsh": "looks like", "𝐀da": "looks like", "אa": "right-to-left", "٣": "right-to-left", "ᄀ": "contains",
	} {
		if got, _, err := ParseName(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q %v, want %q", name, got, err, says)
		}
	}
}

var cheap = Cost{Memory: 64, Passes: 1, Threads: 1}

func TestPasswords(t *testing.T) {
	h, err := newHasher(cheap, 1)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.hash(t.Context(), from, "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%s %v", hash, err)
	}
	if other, _ := h.hash(t.Context(), from, "correct horse"); other == hash {
		t.Error("two hashes have the same salt")
	}
	for password, want := range map[string]bool{"correct horse": true, "correct horsf": false, "": false} {
		if ok, err := h.matches(t.Context(), from, hash, password); ok != want || err != nil {
			t.Errorf("%q: %v %v", password, ok, err)
		}
	}
	// From the reference implementation, with other parameters: argon2 somesalt -id -t 2 -k 256 -p 1
	const reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, err := h.matches(t.Context(), from, reference, "password"); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	for _, bad := range []string{"x", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", "$argon2id$v=19$m=64000000,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"} {
		if ok, err := h.matches(t.Context(), from, bad, "x"); ok || !errors.Is(err, errHash) {
			t.Errorf("%s: %v %v", bad, ok, err)
		}
	}
}

// A password is the same on every system, and its length is counted in characters. Hashes of unprepared
// passwords are still accepted.
func TestPasswordForms(t *testing.T) {
	for password, says := range map[string]string{
		"": "empty", "1234567": "has 7", "日本語": "has 3", "éééééééé": "", "cafe\u0301e\u0301e\u0301": "has 6", strings.Repeat("é", 256): "",
		strings.Repeat("é", 257): "257 characters", "pass\x00word": "control character", "pass\xffword": "character", "correct horse 🐎": "", "        ": "",
	} {
		_, err := preparePassword(password)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", password, err, says)
		}
	}
	h, err := newHasher(cheap, 1)
	if err != nil {
		t.Fatal(err)
	}
	prepared, _ := preparePassword("cafe\u0301 cre\u0300me")
	now, err1 := h.hash(t.Context(), from, prepared)
	before, err2 := h.hash(t.Context(), from, "cafe\u0301 cre\u0300me") // of an account from before
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	a := &Accounts{opts: Options{Now: time.Now}, hasher: h, attempts: newAttempts()}
	for i, c := range []struct {
		hash, password string
		want           bool
	}{
		{now, "café crème", true}, {now, "cafe\u0301 cre\u0300me", true}, {now, "café\u00a0crème", true}, {now, "cafe creme", false}, {now, "CAFÉ CRÈME", false},
		{before, "cafe\u0301 cre\u0300me", true}, {before, "cafe creme", false}, {now, "pass\x00word", false}, {"", "cafe\u0301 cre\u0300me", false},
	} {
		p := pair{fmt.Sprint("name", i), from}
		if ok, err := a.matches(t.Context(), p, nil, c.hash, c.password); ok != c.want || err != nil {
			t.Errorf("%+q: %v %v", c.password, ok, err)
		}
		// Trying a second form counts as another attempt.
		if twice := len(formsOf(c.password)) == 2 && (!c.want || c.hash == before); a.attempts.pairs.Used(p, time.Now()) != twice {
			t.Errorf("%+q: counted as another attempt: %v, want %v", c.password, !twice, twice)
		}
	}
}

// Only so many hashes are computed at a time, in turns of the addresses: a flood from one
// delays another by one hash. A waiting caller gives up when its context is done.
func TestHashesAtATime(t *testing.T) {
	h, err := newHasher(cheap, 2)
	if err != nil {
		t.Fatal(err)
	}
	release, err := h.gate.Acquire(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	var flood sync.WaitGroup
	defer flood.Wait()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	for range maxWaitingHashesPerAddr {
		flood.Go(func() {
			if _, err := h.hash(ctx, from, "correct horse"); !errors.Is(err, gone) {
				t.Errorf("%v", err)
			}
		})
	}
	if !netpolltest.Settles(10*time.Second, func() bool { return h.gate.Waiting() == maxWaitingHashesPerAddr }) {
		t.Fatalf("%d wait", h.gate.Waiting())
	}
	var many *TooManyError
	if _, err := h.hash(t.Context(), from, "correct horse"); !errors.As(err, &many) || many.Seconds() != 2 {
		t.Errorf("one more than may wait: %v", err)
	}
	if _, err := h.hash(t.Context(), other, "correct horse"); err != nil {
		t.Errorf("another address: %v", err)
	}
	cancel(gone)
	flood.Wait()
	release()
	if _, err := h.hash(t.Context(), from, "correct horse"); err != nil {
		t.Error(err)
	}
}

// accounts returns the accounts of a new store.
func accounts(t *testing.T, o Options) *Accounts {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "chat.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	o.Store, o.Cost = s, cheap
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var (
	from  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
)

func at(addr netip.Addr, cookies ...string) Source {
	return Source{Addr: addr, Cookies: strings.Join(cookies, "; ")}
}

// inCookie returns a token as a browser sends it.
func inCookie(t Token, secure bool) string {
	c := Cookie(t, secure)
	return c.Name + "=" + c.Value
}

func TestAccounts(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	a := accounts(t, Options{Now: func() time.Time { return now }})
	e, err := a.SignUp(t.Context(), at(from), "Zoë", "correct horse")
	if err != nil || e.User.Name != "Zoë" || !e.User.Moderator {
		t.Fatalf("%+v %v", e, err)
	}
	if _, err := a.SignUp(t.Context(), at(from), "ZOE\u0308", "correct horse"); !errors.Is(err, ErrTaken) {
		t.Errorf("taken: %v", err)
	}
	if _, err := a.SignUp(t.Context(), at(from), "Zօë", "correct horse"); !errors.Is(err, ErrConfusable) {
		t.Errorf("with an Armenian letter: %v", err)
	}
	var invalid *InvalidError
	if _, err := a.SignUp(t.Context(), at(from), "Bob", strings.Repeat("x", 257)); !errors.As(err, &invalid) {
		t.Errorf("long: %v", err)
	}
	again, err := a.LogIn(t.Context(), at(from), "zoë", "correct horse")
	if err != nil || again.User.ID != e.User.ID || again.Token == e.Token {
		t.Fatalf("%+v %v", again, err)
	}
	l, who, err := a.Authenticate(t.Context(), at(from, inCookie(e.Token, false)))
	if err != nil || who.ID != e.User.ID || l.Hash != e.Token.Hash() || l.Hash == [32]byte(e.Token) {
		t.Errorf("%+v %+v %v", l, who, err)
	}
	now = now.Add(loginTime)
	if _, _, err := a.Authenticate(t.Context(), at(from, inCookie(e.Token, false))); !errors.Is(err, ErrNoLogin) {
		t.Errorf("expired: %v", err)
	}
	if all, err := a.Expire(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

// Our cookie is found among cookies of other programs on the host, and the valid one among several of
// ours.
func TestCookies(t *testing.T) {
	a := accounts(t, Options{})
	e, err := a.SignUp(t.Context(), at(from), "Ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, secure := range []bool{false, true} {
		c := Cookie(e.Token, secure)
		if c.Secure != secure || strings.HasPrefix(c.Name, "__Host-") != secure || !c.HttpOnly || c.Path != "/" || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 30*24*3600 {
			t.Errorf("%+v", c)
		}
		good, stale := inCookie(e.Token, secure), inCookie(newToken(), secure)
		for _, cookies := range []string{
			good, "other=1; " + good, "a b; " + good, `x="unclosed; ` + good, "=; " + good, ";;" + good + ";;", "é=\xff; " + good + "; bad\x01=1", good + "; " + stale, stale + "; " + good,
			c.Name + "=; " + good, c.Name + "=AAAA; " + good, c.Name + "; " + good, "  " + c.Name + ` = "` + c.Value + `" `, strings.Repeat(c.Name+"=x; ", 100) + good,
		} {
			v := Source{Addr: from, Secure: secure, Cookies: cookies}
			if _, who, err := a.Authenticate(t.Context(), v); err != nil || who.ID != e.User.ID {
				t.Errorf("%q: %+v %v", cookies, who, err)
			}
		}
		for _, cookies := range []string{"", "x", c.Name + "=", c.Name + "=AAAA", stale, inCookie(e.Token, !secure), c.Name + "x=" + c.Value, c.Name + "=" + strings.Repeat("A", 100)} {
			v := Source{Addr: from, Secure: secure, Cookies: cookies}
			if _, _, err := a.Authenticate(t.Context(), v); !errors.Is(err, ErrNoLogin) {
				t.Errorf("%q: %v", cookies, err)
			}
		}
	}
	if n := len(tokensIn(strings.Repeat(inCookie(newToken(), false)+"; ", 100), false)); n != 1 {
		t.Errorf("the same token is looked up %d times", n)
	}
	var many []string
	for range 100 {
		many = append(many, inCookie(newToken(), false))
	}
	if n := len(tokensIn(strings.Join(many, ";"), false)); n != maxTokens {
		t.Errorf("%d tokens are looked up", n)
	}
}

// A login ends when its cookie is replaced, by any user's login. The oldest logins of a user with too many
// end, too.
func TestLoginsEnd(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	a := accounts(t, Options{MaxLogins: 3, Now: func() time.Time { now = now.Add(time.Millisecond); return now }})
	ada, err1 := a.SignUp(t.Context(), at(from), "Ada", "correct horse")
	bob, err2 := a.SignUp(t.Context(), at(from, inCookie(ada.Token, false)), "Bob", "correct horse")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if len(ada.Ended) != 0 || len(bob.Ended) != 1 || bob.Ended[0].Hash != ada.Token.Hash() || bob.Ended[0].User != ada.User.ID {
		t.Errorf("%+v", bob.Ended)
	}
	if _, _, err := a.Authenticate(t.Context(), at(from, inCookie(ada.Token, false))); !errors.Is(err, ErrNoLogin) {
		t.Errorf("the login that was replaced: %v", err)
	}
	var ended []store.Login
	for range 3 {
		e, err := a.LogIn(t.Context(), at(other), "bob", "correct horse")
		if err != nil {
			t.Fatal(err)
		}
		ended = append(ended, e.Ended...)
	}
	if len(ended) != 1 || ended[0].Hash != bob.Token.Hash() {
		t.Errorf("%+v", ended)
	}
}

// Neither the answer nor the work reveals whether a name exists.
func TestUnknownName(t *testing.T) {
	a := accounts(t, Options{Hashes: 1})
	if _, err := a.SignUp(t.Context(), at(from), "Ada", "correct horse"); err != nil {
		t.Fatal(err)
	}
	release, err := a.hasher.gate.Acquire(t.Context(), from) // so that who wants to compute a hash waits
	if err != nil {
		t.Fatal(err)
	}
	kept := a.opts.Store
	for _, name := range []string{"Ada", "Eve", "no\x00name"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		a.opts.Store = cancelling{kept, func() { cancel(errors.New("it computes")) }}
		if _, err := a.LogIn(ctx, at(from), name, "wrong password"); err == nil || err.Error() != "it computes" {
			t.Errorf("%q: %v", name, err)
		}
	}
	a.opts.Store = kept
	release()
	for _, name := range []string{"Ada", "Eve", "no\x00name", strings.Repeat("x", 10_000)} {
		if _, err := a.LogIn(t.Context(), at(from), name, "wrong password"); err != ErrCredentials {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// cancelling is a store that calls cancel after it has looked up a name.
type cancelling struct {
	store.Store
	cancel func()
}

func (c cancelling) UserByKey(ctx context.Context, key string) (store.User, error) {
	defer c.cancel()
	return c.Store.UserByKey(ctx, key)
}
