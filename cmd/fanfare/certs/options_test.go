package certs

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestACMEOptions(t *testing.T) {
	good := func(change func(*ACMEOptions)) ACMEOptions {
		o := ACMEOptions{Domains: []string{"a.test", "B.test."}, Storage: t.TempDir(), Agreed: true}
		change(&o)
		return o
	}
	domains := func(d ...string) func(*ACMEOptions) { return func(o *ACMEOptions) { o.Domains = d } }
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("a", i, ".test")
	}
	for _, c := range []struct {
		change func(*ACMEOptions)
		want   string
	}{
		{func(*ACMEOptions) {}, ""},
		{func(o *ACMEOptions) { o.KeyID, o.MACKey = "a", "c2VzYW1l" }, ""},
		{domains(), "for 0 domains"},
		{domains(many...), "for 101 domains"},
		{domains("a.test", "A.test."), "listed twice"},
		{domains("127.0.0.1"), "is an address"},
		{domains("::1"), "is an address"},
		{domains("*.a.test"), "has a wildcard"},
		{domains("localhost"), "malformed"},
		{domains("a..test"), "malformed"},
		{domains("-a.test"), "malformed"},
		{domains("é.test"), "malformed"},
		{domains("a.test:443"), "malformed"},
		{domains(strings.Repeat("a", 64) + ".test"), "malformed"},
		{func(o *ACMEOptions) { o.Storage = "" }, "no directory"},
		{func(o *ACMEOptions) { o.Agreed = false }, "agreement"},
		{func(o *ACMEOptions) { o.Email = "a b@c" }, "no e-mail address"},
		{func(o *ACMEOptions) { o.CA = "http://ca.test" }, "no URL"},
		{func(o *ACMEOptions) { o.KeyID = "a" }, "needs both"},
		{func(o *ACMEOptions) { o.KeyID, o.MACKey = "a", "sesame!" }, "not in base64url"},
	} {
		o := good(c.change)
		err := o.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("a secret is in the error %v", err)
		}
		if _, new := NewACME(o); (new == nil) != (c.want == "") {
			t.Errorf("NewACME: %v", new)
		}
	}
	o := good(func(o *ACMEOptions) { o.Storage = filepath.Join("/dev/null", "x") })
	if _, err := NewACME(o); err == nil {
		t.Error("a directory that cannot be made is accepted")
	}
}

func TestStartNeedsAListener(t *testing.T) {
	a, err := NewACME(ACMEOptions{Domains: []string{"a.test"}, Storage: t.TempDir(), Agreed: true})
	if err != nil {
		t.Fatal(err)
	}
	unix := &net.UnixAddr{Name: "/x", Net: "unix"}
	for _, c := range [][2]net.Addr{{nil, nil}, {unix, nil}, {nil, unix}} {
		if err := a.Start(c[0], c[1]); err == nil {
			t.Errorf("%v: no error", c)
		}
	}
	a.Retry()
	if d := a.Domains(); len(d) != 1 || !d[0].Expires.IsZero() {
		t.Errorf("%+v", d)
	}
}

// What certmagic logs arrives with its fields.
func TestLog(t *testing.T) {
	var text strings.Builder
	log := toSlog(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo})))
	named := log.Named("obtain").With(zap.String("domain", "a.test"))
	named.Info("not logged")
	named.Error("failed", zap.Int("attempt", 2), zap.Strings("names", []string{"x"}), zap.Error(fmt.Errorf("no route")))
	log.Warn("other")
	if err := log.Sync(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"level=WARN msg=failed logger=acme.obtain domain=a.test attempt=2 names=[x] error=\"no route\"\n", "level=WARN msg=other logger=acme.\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q lacks %q", text.String(), want)
		}
	}
	if strings.Contains(text.String(), "not logged") {
		t.Error("information is logged")
	}
}
