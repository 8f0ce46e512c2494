package natsbroker

import (
	"strings"
	"testing"
)

// A wrong URL is refused, and the error has no password.
func TestURLs(t *testing.T) {
	for _, s := range []string{"nats://host:4222", "host", "127.0.0.1:4222", "tls://user:secret@host", "nats://[::1]:4222"} {
		if _, err := New(Options{URLs: []string{s}}); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"nats://user:secret@host:x", "nats://user:se/cret@host", "nats://user:%zzsecret@host:4222", "nats://", "", "nats://a,nats://b"} {
		switch _, err := New(Options{URLs: []string{s}}); {
		case err == nil:
			t.Errorf("%q is accepted", s)
		case strings.Contains(err.Error(), "secret"), strings.Contains(err.Error(), "cret"), strings.Contains(err.Error(), "user:"):
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// What the servers of several sessions have told is kept, with the password of the configured ones.
func TestLearnServers(t *testing.T) {
	b, err := New(Options{URLs: []string{"nats://u:p@a:1", "b:1"}})
	if err != nil {
		t.Fatal(err)
	}
	b.learnServersLocked([]string{"nats://a:1", "nats://c:1"})
	b.learnServersLocked([]string{"nats://b:1", "nats://d:1"})
	b.learnServersLocked([]string{"nats://c:1"})
	if got, want := strings.Join(b.servers, " "), "nats://u:p@c:1 nats://u:p@d:1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
