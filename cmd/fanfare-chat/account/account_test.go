package account

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestSameNames(t *testing.T) {
	for _, same := range [][]string{
		{"Ada", "ADA", "ada", " ada\t", "Ａｄａ", "𝐀da"},
		{"Café", "Cafe\u0301", "CAFÉ", "cAFE\u0301"},
		{"Strasse", "straße", "STRASSE", "STRAẞE"},
		{"Ὀδυσσεύς", "ὀδυσσεύσ", "ὈΔΥΣΣΕΎΣ"},
		{"ﬁsh", "fish", "FISH"},
		{"Ada Lovelace", "ada  lovelace", "ADA\u00a0LOVELACE", "ada\u3000lovelace"},
		{"ｶﾞ", "ガ", "カ\u3099"},
		{"Å", "Å", "A\u030a"},
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
			if _, again, err := ParseName(shown); err != nil || again != key {
				t.Errorf("%q is shown as %q, whose key is %q, %v", name, shown, again, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for name, shown := range map[string]string{
		"Ada": "Ada", "  Ada  ": "Ada", "a.b-c_d": "a.b-c_d", "Ada L 2": "Ada L 2", "李": "李", "नमस्ते": "नमस्ते",
		"Cafe\u0301": "Café", strings.Repeat("é", 32): strings.Repeat("é", 32), "Nguyễn": "Nguyễn", "٣": "٣",
	} {
		if got, _, err := ParseName(name); err != nil || got != shown {
			t.Errorf("%q: %q %v, want %q", name, got, err, shown)
		}
	}
	for name, says := range map[string]string{
		"": "empty", " \t": "empty", strings.Repeat("é", 33): "33 characters", "a\x00b": "contains", "a\xff": "UTF-8",
		"<b>": "contains", "@ada": "contains", "a\u200bb": "contains", "a\u202eb": "contains", "a\u3164": "contains",
		"a\ufe0f": "contains", "😀": "contains", "\u0301a": "accents", "a" + strings.Repeat("\u0335", 4): "accents",
		"a -b": "space beside", "..": "no letter", "pаypal": "Cyrillic", "x²": "contains", "a\u00adb": "contains",
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
	hash, err := h.hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%s %v", hash, err)
	}
	if other, _ := h.hash(t.Context(), "correct horse"); other == hash {
		t.Error("two hashes have the same salt")
	}
	for password, want := range map[string]bool{"correct horse": true, "correct horsf": false, "": false} {
		if ok, err := h.matches(t.Context(), hash, password); ok != want || err != nil {
			t.Errorf("%q: %v %v", password, ok, err)
		}
	}
	// From the reference implementation, with other parameters: argon2 somesalt -id -t 2 -k 256 -p 1
	const reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, err := h.matches(t.Context(), reference, "password"); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	for _, bad := range []string{"x", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", "$argon2id$v=19$m=64000000,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"} {
		if ok, err := h.matches(t.Context(), bad, "x"); ok || !errors.Is(err, errHash) {
			t.Errorf("%s: %v %v", bad, ok, err)
		}
	}
}

// Only so many hashes are computed at a time: who has to wait gives up with its context.
func TestHashesAtATime(t *testing.T) {
	h, err := newHasher(cheap, 1)
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, "correct horse"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-h.slots
	if _, err := h.hash(t.Context(), "correct horse"); err != nil {
		t.Error(err)
	}
}

func TestLimit(t *testing.T) {
	l := newLimit[int](3, time.Second)
	now := time.UnixMilli(1000)
	for range 3 {
		if wait := l.take(1, now); wait != 0 {
			t.Fatalf("wait %v", wait)
		}
	}
	if wait := l.take(1, now); wait != time.Second {
		t.Errorf("wait %v", wait)
	}
	if wait := l.take(2, now); wait != 0 {
		t.Errorf("another waits %v", wait)
	}
	if now = now.Add(700 * time.Millisecond); l.take(1, now) != 300*time.Millisecond {
		t.Error("after 0.7 s")
	}
	if now = now.Add(300 * time.Millisecond); l.take(1, now) != 0 || l.take(1, now) == 0 {
		t.Error("after 1 s it has one more")
	}
	l.forgive(1)
	if l.take(1, now) != 0 {
		t.Error("it is not forgiven")
	}
	for i := range 3 * maxCounted {
		l.take(i, now)
	}
	if n := len(l.full); n > maxCounted {
		t.Errorf("%d are counted", n)
	}
}

// accounts are those of a store of their own.
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

var from = netip.MustParseAddr("192.0.2.1")

func TestAccounts(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	a := accounts(t, Options{Secure: true, Now: func() time.Time { return now }})
	u, token, err := a.SignUp(t.Context(), from, "Zoë", "correct horse")
	if err != nil || u.Name != "Zoë" || !u.Moderator {
		t.Fatalf("%+v %v", u, err)
	}
	if _, _, err := a.SignUp(t.Context(), from, "ZOE\u0308", "correct horse"); !errors.Is(err, ErrTaken) {
		t.Errorf("taken: %v", err)
	}
	var invalid *InvalidError
	if _, _, err := a.SignUp(t.Context(), from, "Bob", strings.Repeat("x", 257)); !errors.As(err, &invalid) {
		t.Errorf("long: %v", err)
	}
	again, second, err := a.LogIn(t.Context(), from, "zoë", "correct horse")
	if err != nil || again.ID != u.ID || second == token {
		t.Fatalf("%+v %v", again, err)
	}
	c := a.Cookie(token)
	if c.Name != "__Host-fanfare_session" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 30*24*3600 {
		t.Errorf("%+v", c)
	}
	cookies := "other=1; " + c.Name + "=" + c.Value
	l, who, err := a.Who(t.Context(), cookies)
	if err != nil || who.ID != u.ID || l.Hash != token.Hash() || l.Hash == [32]byte(token) {
		t.Errorf("%+v %+v %v", l, who, err)
	}
	for _, bad := range []string{"", "x", c.Name + "=", c.Name + "=AAAA", "fanfare_session=" + c.Value, c.Name + "=" + strings.Repeat("A", 100)} {
		if _, _, err := a.Who(t.Context(), bad); !errors.Is(err, ErrNoLogin) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	now = now.Add(loginTime)
	if _, _, err := a.Who(t.Context(), cookies); !errors.Is(err, ErrNoLogin) {
		t.Errorf("expired: %v", err)
	}
	if all, err := a.Expire(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

// Whether a name exists is not to be told from the answer, nor from the work for it.
func TestUnknownName(t *testing.T) {
	a := accounts(t, Options{Hashes: 1})
	if _, _, err := a.SignUp(t.Context(), from, "Ada", "correct horse"); err != nil {
		t.Fatal(err)
	}
	a.hasher.slots <- struct{}{} // so that who wants to compute a hash waits
	kept := a.opts.Store
	for _, name := range []string{"Ada", "Eve", "no\x00name"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		a.opts.Store = cancelling{kept, func() { cancel(errors.New("it computes")) }}
		if _, _, err := a.LogIn(ctx, from, name, "wrong password"); err == nil || err.Error() != "it computes" {
			t.Errorf("%q: %v", name, err)
		}
	}
	a.opts.Store = kept
	<-a.hasher.slots
	for _, name := range []string{"Ada", "Eve", "no\x00name"} {
		if _, _, err := a.LogIn(t.Context(), from, name, "wrong password"); err != ErrWrong {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// cancelling is a store that calls cancel when it has looked for a name.
type cancelling struct {
	store.Store
	cancel func()
}

func (c cancelling) UserByKey(ctx context.Context, key string) (store.User, error) {
	defer c.cancel()
	return c.Store.UserByKey(ctx, key)
}

func TestAddresses(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
	} {
		if got := block(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
	now := time.UnixMilli(0)
	a := accounts(t, Options{Now: func() time.Time { return now }})
	var many *TooManyError
	for i := range addressBurst + 1 {
		_, _, err := a.LogIn(t.Context(), from, "name"+strings.Repeat("x", i%20)+"y"+strings.Repeat("z", i/20), "wrong password")
		if i == addressBurst && (!errors.As(err, &many) || many.Seconds() != 2) {
			t.Errorf("attempt %d: %v", i+1, err)
		} else if i < addressBurst && err != ErrWrong {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
	}
	if _, _, err := a.SignUp(t.Context(), netip.MustParseAddr("192.0.2.2"), "Ada", "correct horse"); err != nil {
		t.Errorf("another address: %v", err)
	}
}
