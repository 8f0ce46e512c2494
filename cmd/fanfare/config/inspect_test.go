package config

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestInspectListeners(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	secure := []string{"-cert", cert, "-key", key}
	for addr, says := range map[string]string{
		"localhost:8080": "", ":8080": "", "[::1]:8080": "", "unix:/run/x mode=0660": "", "127.0.0.1:0,127.0.0.1:0": "", "localhost:http": "", "@": "is not an address", "systemd:web proxy-protocol tls=off": "", "systemd:": "has no name",
		"localhost": "must have the form host:port", "::1:80": "must have the form", "localhost:": `the port ""`, "localhost:65536": "from 0 to 65535", "unix:": "a path of 0 bytes",
		"unix:/" + strings.Repeat("x", 107): "a path of 108 bytes", "unix:/x mode=rw": "must be octal", "unix:/x mode=1000": "must be octal", ":80 mode=0600": "is for Unix sockets",
		":80,:80": "needs an address of its own", "unix:/x,unix:/x": "needs an address of its own", ":80 tls=on": "there is no certificate", ":80 tls=off": "", "a b:80": "is not an option of listeners",
	} {
		l := Load([]string{"-addr", addr}, nil)
		l.Inspect(time.Now())
		if got := l.Problems.Error(); (got == "") != (says == "") || !strings.Contains(got, says) || strings.Count(got, "\n") > 0 {
			t.Errorf("%s: %q, want %q", addr, got, says)
		}
	}
	l := Load(append(secure, "-addr", ":80 tls=on, :81 tls=off, :82 proxy-protocol"), nil)
	if l.Inspect(time.Now()); len(l.Problems) > 0 || !l.Config.Listen[0].Secure(true) || l.Config.Listen[1].Secure(true) || !l.Config.Listen[2].Secure(true) || !l.Config.Listen[2].ProxyProtocol {
		t.Errorf("%v %+v", l.Problems, l.Config.Listen)
	}
}

func TestInspectFiles(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	word, two, other, none := write(t, "word", "0123456789abcdef\n"), write(t, "two", "a b"), write(t, "other.pem", newKey(t)), filepath.Join(t.TempDir(), "none")
	dir := t.TempDir()
	acme := "-acme-domains a.example -acme-agree -acme-storage "
	for args, says := range map[string]string{
		"-cert " + cert + " -key " + key:                            "",
		"-cert " + none + " -key " + key:                            "-cert: " + none + ": no such file",
		"-cert " + cert + " -key " + none:                           "-key: " + none + ": no such file",
		"-cert " + cert + " -key " + other:                          "-key: " + other + " does not fit the certificate in -cert",
		"-cert " + word + " -key " + key:                            "-cert: " + word + ": the file contains no certificate in PEM",
		"-nats nats://a -nats-token-file " + word:                   "",
		"-nats nats://a -nats-token-file " + two:                    "-nats-token-file: " + two + ": the file contains 2 words",
		"-nats nats://a -nats-user u -nats-password-file " + none:   "-nats-password-file: " + none + ": no such file",
		"-nats nats://a -nats-nkey-file " + word:                    "-nats-nkey-file: " + word + ": the file has no seed of an NKey",
		"-nats nats://a -nats-credentials-file " + word:             "-nats-credentials-file: " + word + ": the file has no ",
		"-nats nats://a -nats-credentials-file " + none:             "-nats-credentials-file: " + none + ": no such file",
		"-nats nats://a -nats-ca " + cert:                           "",
		"-nats nats://a -nats-ca " + key:                            "-nats-ca: " + key + ": the file contains no certificate",
		"-nats nats://a -nats-cert " + cert + " -nats-key " + key:   "",
		"-nats nats://a -nats-cert " + cert + " -nats-key " + other: "-nats-key: " + other + " does not fit the certificate in -nats-cert",
		"-nats nats://a -nats-cert " + none + " -nats-key " + key:   "-nats-cert: " + none + ": no such file",
		"-token-file " + word:                                       "",
		"-token-file " + two:                                        "-token-file: " + two + ": the file contains 2 words",
		"-backend-secret-file " + two:                               "-backend-secret-file: " + two + ": the file contains 2 words",
		"-backend-token-file " + none:                               "-backend-token-file: " + none + ": no such file",
		"-jwt-secret-files " + two:                                  "-jwt-secret-files: ",
		"-jwt-public-key-files " + word:                             "-jwt-public-key-files: ",
		"-jwt-jwks-file " + word:                                    "-jwt-jwks-file: ",
		acme + dir:                                                  "",
		acme + none:                                                 "",
		acme + word:                                                 "-acme-storage is " + word + ", which is no directory",
		acme + dir + " -acme-ca-root " + cert:                       "",
		acme + dir + " -acme-ca-root " + none:                       "-acme-ca-root: " + none + ": no such file",
	} {
		l := Load(strings.Fields(args), nil)
		l.Inspect(time.Now())
		if got := l.Problems.Error(); (got == "") != (says == "") || !strings.HasPrefix(got, says) || strings.Count(got, "\n") > 0 || strings.Contains(got, "0123456789abcdef") {
			t.Errorf("%s: %q, want %q", args, got, says)
		}
	}
}

// A certificate that is not valid now, and a secret that everybody can read, are noted.
func TestInspectNotes(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	word := write(t, "word", "0123456789abcdef\n")
	if err := os.Chmod(word, 0o644); err != nil {
		t.Fatal(err)
	}
	for at, says := range map[time.Duration]string{0: "", 100 * 365 * 24 * time.Hour: "has expired at", -100 * 365 * 24 * time.Hour: "is valid only from"} {
		l := Load([]string{"-cert", cert, "-key", key, "-token-file", word}, nil)
		l.Inspect(time.Now().Add(at))
		notes := strings.Join(l.Notes, "\n")
		if len(l.Problems) > 0 || !strings.Contains(notes, says) || !strings.Contains(notes, "-token-file: "+word+" can be read by every user of this machine; chmod o= "+word) {
			t.Errorf("%v, %q; want %q", l.Problems, notes, says)
		}
	}
}

// More connections than the limit of open files has room for are noted, and a listener for operators that no key may use.
func TestInspectNotesOfWishes(t *testing.T) {
	room := daemon.Room(daemon.HighestFileLimit())
	keys := func(manage string) string {
		return write(t, "keys.toml", "[[access.key]]\nname = 'a'\nsecret = 'fedcba9876543210'\nwrite = ['a']\nmanage = ["+manage+"]\n")
	}
	token, secret := write(t, "token", "0123456789abcdef"), write(t, "jwt", strings.Repeat("x", 32))
	const operators, descriptors = "no key may use it", "the limit of open files"
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"as many as there is room for": {[]string{"-max-conns", fmt.Sprint(min(room, math.MaxInt32))}, ""},
		"one more":                     {[]string{"-max-conns", fmt.Sprint(room + 1)}, descriptors},
		"no rights":                    {[]string{"-admin", "localhost:0", "-config", keys("")}, operators},
		"half of the rights":           {[]string{"-admin", "localhost:0", "-config", keys("'>'")}, operators},
		"all rights":                   {[]string{"-admin", "localhost:0", "-config", keys("'>', '@>'")}, ""},
		"a token for all":              {[]string{"-admin", "localhost:0", "-config", keys(""), "-token-file", token}, ""},
		"tokens":                       {[]string{"-admin", "localhost:0", "-config", keys(""), "-jwt-secret-files", secret}, ""},
		"no keys":                      {[]string{"-admin", "localhost:0"}, ""},
		"no operators":                 {[]string{"-config", keys("")}, ""},
	} {
		l := Load(c.args, nil)
		l.Inspect(time.Now())
		notes := strings.Join(l.Notes, "\n")
		for _, says := range []string{operators, descriptors} {
			if len(l.Problems) > 0 || strings.Contains(notes, says) != (says == c.says) {
				t.Errorf("%s: %v, %q; want %q", name, l.Problems, notes, c.says)
			}
		}
	}
}
