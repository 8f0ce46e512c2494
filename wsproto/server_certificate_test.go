package wsproto

import (
	"crypto/tls"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func serial(t testing.TB, c *tls.Certificate) int64 {
	t.Helper()
	return c.Leaf.SerialNumber.Int64()
}

// Time passes by argument: the files are looked at once a second.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	var said strings.Builder
	c, err := LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := c.looked
	look := func(after time.Duration, want int64, words string) {
		t.Helper()
		said.Reset()
		now = now.Add(after)
		c.look(now)
		if got := serial(t, c.current.Load()); got != want {
			t.Errorf("certificate %d, want %d", got, want)
		}
		if words == "" && said.Len() > 0 || !strings.Contains(said.String(), words) {
			t.Errorf("logged %q, want %q", said.String(), words)
		}
	}
	look(time.Minute, 1, "")
	issue(t, dir, 2)
	look(time.Second-1, 1, "")
	look(1, 2, "new certificate loaded")

	key, _ := os.ReadFile(keyFile)
	issue(t, dir, 3)
	newKey, _ := os.ReadFile(keyFile)
	replace(t, keyFile, key) // the certificate is new, its key not yet
	look(time.Second, 2, "does not match")
	look(time.Second, 2, "") // the same again is no news
	replace(t, keyFile, newKey)
	look(time.Second, 3, "new certificate loaded")

	replace(t, certFile, []byte("nonsense"))
	look(time.Second, 3, "unusable")
	os.Remove(certFile)
	look(time.Second, 3, "no such file")
	issue(t, dir, 4)
	look(time.Second, 4, "new certificate loaded")
}

func replace(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Existing connections continue; new ones get the new certificate.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	s := &Server{Handler: echo(t), Logger: quiet}
	a, err := s.ListenTLS("127.0.0.1:0", certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	config := trusting(t, certFile)
	p := dialTLS(t, a.String(), config).upgrade()
	issue(t, dir, 2)
	config = trusting(t, certFile)
	config.InsecureSkipVerify = true // to see the old one, too
	eventually(t, "the new certificate", func() bool {
		q := dialTLS(t, a.String(), config)
		defer q.tls.Close()
		return q.tls.ConnectionState().PeerCertificates[0].SerialNumber.Int64() == 2
	})
	p.send(text("as before"))
	p.expect(Text, "as before")
}

// Any number may shake hands while it is loaded.
func TestCertificateTogether(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	c, err := LoadCertificate(certFile, keyFile, quiet)
	if err != nil {
		t.Fatal(err)
	}
	issue(t, dir, 2)
	now := c.looked
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c.look(now.Add(time.Duration(i+1) * time.Second))
			if got, err := c.Get(nil); got == nil || err != nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if got := serial(t, c.current.Load()); got != 2 {
		t.Errorf("certificate %d, want 2", got)
	}
}

// A certificate of a listener that does not begin is not reloaded.
func TestCertificateOfNoListener(t *testing.T) {
	certFile, keyFile := issue(t, t.TempDir(), 1)
	s := &Server{Handler: echo(t), Logger: quiet}
	t.Cleanup(func() { shutdown(t, s) })
	bound, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ListenTLS(bound.String(), certFile, keyFile); err == nil || len(s.files.all) != 0 {
		t.Errorf("ListenTLS: %v, with %d certificates", err, len(s.files.all))
	}
}

// Reload says what is wrong, and whatever that is the last good certificates remain.
func TestReloadCertificates(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	otherCert, otherKey := issue(t, other, 7)
	s := &Server{Handler: echo(t), Logger: quiet}
	t.Cleanup(func() { shutdown(t, s) })
	for _, f := range [][2]string{{certFile, keyFile}, {otherCert, otherKey}} {
		if _, err := s.ListenTLS("127.0.0.1:0", f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	serials := func() (all []int64) {
		for _, c := range s.files.all {
			all = append(all, serial(t, c.current.Load()))
		}
		return all
	}
	if err := s.ReloadCertificates(); err != nil || !slices.Equal(serials(), []int64{1, 7}) {
		t.Errorf("unchanged: %v, %v", err, serials())
	}
	replace(t, certFile, []byte("nonsense"))
	issue(t, other, 8)
	if err := s.ReloadCertificates(); err == nil || !strings.Contains(err.Error(), certFile) || !slices.Equal(serials(), []int64{1, 8}) {
		t.Errorf("one is nonsense: %v, %v", err, serials())
	}
	issue(t, dir, 2)
	if err := s.ReloadCertificates(); err != nil || !slices.Equal(serials(), []int64{2, 8}) {
		t.Errorf("both are good: %v, %v", err, serials())
	}
}

// Prepare changes nothing before its result is called.
func TestPrepareCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	c, err := LoadCertificate(certFile, keyFile, quiet)
	if err != nil {
		t.Fatal(err)
	}
	issue(t, dir, 2)
	use, err := c.Prepare()
	if got := serial(t, c.current.Load()); err != nil || got != 1 {
		t.Fatalf("prepared: certificate %d, %v", got, err)
	}
	if use(); serial(t, c.current.Load()) != 2 {
		t.Error("the new certificate is not in use")
	}
	replace(t, keyFile, []byte("nonsense"))
	if _, err := c.Prepare(); err == nil || !strings.Contains(err.Error(), keyFile) || serial(t, c.current.Load()) != 2 {
		t.Errorf("a key that is nonsense: %v", err)
	}
}
