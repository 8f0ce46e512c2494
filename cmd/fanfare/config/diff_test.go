package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDiff(t *testing.T) {
	old := fine(t, nil, "-topic", "a history=1", "-origins", "a.example", "-max-conns", "300")
	now := fine(t, []string{"FANFARE_VERBOSE=true", "FANFARE_PING=5s"}, "-topic", "a history=2", "-origins", "a.example", "-max-conns", "300")
	want := Changes{Live: []string{"verbose", "topic"}, Restart: []string{"limits.ping"}}
	if got := Diff(old, now); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := Diff(old, old); !reflect.DeepEqual(got, Changes{[]string{}, []string{}}) {
		t.Errorf("%+v", got)
	}
}

// A reload reads secret files again. If the contents have changed, the field that names the file counts as changed.
func TestChangesOfFiles(t *testing.T) {
	token, one, two, key := write(t, "token", "0123456789abcdef"), write(t, "one", "a"), write(t, "two", "b"), write(t, "key", "fedcba9876543210")
	file := write(t, "a.toml", "[[access.key]]\nname = 'a'\nsecret-file = '"+key+"'\nwrite = ['>']\n")
	c := fine(t, nil, "-config", file, "-token-file", token, "-jwt-public-key-files", one+","+two, "-cert", one, "-key", two)
	for name, change := range map[string]struct {
		texts map[string]string
		want  []string
	}{
		"nothing":      {nil, []string{}},
		"a token":      {map[string]string{token: "another"}, []string{"access.token-file"}},
		"a key":        {map[string]string{key: "another"}, []string{"access.key"}},
		"one of two":   {map[string]string{two: "c"}, []string{"tls.key", "token.public-key-files"}},
		"a move":       {map[string]string{one: "", two: "ac"}, []string{"tls.cert", "tls.key", "token.public-key-files"}},
		"the settings": {map[string]string{file: ""}, []string{}},
	} {
		before := c.Contents()
		for file, text := range change.texts {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := Diff(c, c).With(before, c.Contents()).Live; !slices.Equal(got, change.want) {
			t.Errorf("%s: %q, want %q", name, got, change.want)
		}
		for file, text := range map[string]string{token: "0123456789abcdef", one: "a", two: "b", key: "fedcba9876543210"} {
			_ = os.WriteFile(file, []byte(text), 0o600)
		}
	}
}

// over returns what is in force after a reload.
func over(t *testing.T, old, now *Config) *Config {
	t.Helper()
	l := (&Loaded{Config: now}).Over(old)
	if len(l.Problems) > 0 {
		t.Fatal(l.Problems)
	}
	return l.Config
}

// After a reload, what needs a restart is as it was, with its source; so the next reload names it again.
func TestOver(t *testing.T) {
	old := fine(t, nil, "-topic", "a history=1", "-topic", "b", "-ping", "7s")
	now := fine(t, []string{"FANFARE_TOPIC=c history=2", "FANFARE_PING=5s"})
	c := over(t, old, now)
	if c.Limits.Ping != 7*time.Second || c.Source("limits.ping").Name != "ping" || !reflect.DeepEqual(c.Topics, now.Topics) || c.Source("topic[0]").Name != "FANFARE_TOPIC" {
		t.Errorf("%v from %v, %+v from %v", c.Limits.Ping, c.Source("limits.ping"), c.Topics, c.Source("topic[0]"))
	}
	if old.Topics[0].History != 1 || old.Source("topic[1]").Name != "topic" {
		t.Error("the old one has changed")
	}
	if got := Diff(c, now); !reflect.DeepEqual(got, Changes{[]string{}, []string{"limits.ping"}}) {
		t.Errorf("%+v", got)
	}
}

func TestNamesFiles(t *testing.T) {
	file := write(t, "a.toml", "")
	for want, args := range map[bool][][]string{
		true:  {{"-config", file}, {"-token-file", "x"}, {"-acme-domains", "a.example", "-acme-agree", "-acme-storage", "x"}, {"-cert", "x", "-key", "y"}, {"-jwt-public-key-files", "x"}},
		false: {nil, {"-cpuprofile", "x"}, {"-origins", "a.example"}},
	} {
		for _, a := range args {
			if got := fine(t, nil, a...).NamesFiles(); got != want {
				t.Errorf("%v: %v", a, got)
			}
		}
	}
}

// A hook that needs a restart still counts when the rights of those without a key are derived, and a hook that is not there
// yet does not count.
func TestDerivedRightsAfterReload(t *testing.T) {
	hook, open := fine(t, nil, "-backend-connect", "https://app.example"), fine(t, nil)
	c := over(t, hook, open)
	if a, u := c.Access.Anonymous, c.Access.Users; len(a.Read)+len(a.Write)+len(a.List)+len(a.Manage)+len(u.Read)+len(u.Write)+len(u.Manage) > 0 {
		t.Errorf("without the hook, until a restart: %+v, %+v", a, u)
	}
	if c = over(t, c, open); len(c.Access.Anonymous.Write) > 0 {
		t.Errorf("after a second reload: %+v", c.Access.Anonymous)
	}
	if c = over(t, open, hook); !reflect.DeepEqual(c.Access.Anonymous, open.Access.Anonymous) {
		t.Errorf("with a hook, until a restart: %+v", c.Access.Anonymous)
	}
	given := fine(t, nil, "-anonymous-write", "a.>", "-users-manage", "none")
	if c = over(t, hook, given); !reflect.DeepEqual(c.Access.Anonymous.Write, []string{"a.>"}) || len(c.Access.Users.Write) != 1 || len(c.Access.Users.Manage) > 0 {
		t.Errorf("rights that are given: %+v", c.Access)
	}
	if key := fine(t, nil, "-token-file", "x"); len(over(t, key, open).Access.Anonymous.Write) == 0 {
		t.Error("a key that is gone still counts, though it needs no restart")
	}
}

// A field that can change is checked against one that needs a restart as the server has it.
func TestContradictionsAfterReload(t *testing.T) {
	old := fine(t, nil, "-max-pending", "8MiB")
	now := fine(t, nil, "-total-pending", "5MiB")
	l := (&Loaded{Config: now}).Over(old)
	if len(l.Problems) != 1 || l.Problems[0].Field != "limits.total-pending" {
		t.Errorf("%v", l.Problems)
	}
}

// A change of NATS needs a restart, and its files are not among those that a reload reads again. Settings of NATS without a URL are noted.
func TestNATSNeedsRestart(t *testing.T) {
	old, now := Load([]string{"-nats", "nats://a"}, nil), Load([]string{"-nats", "nats://b", "-nats-token-file", "/t"}, nil)
	if d := Diff(old.Config, now.Config); len(d.Live) > 0 || !slices.Equal(d.Restart, []string{"nats.url", "nats.token-file"}) {
		t.Errorf("%+v", d)
	}
	if now.Config.NamesFiles() || len(now.Config.Contents()) > 0 {
		t.Error("a reload reads the files of NATS")
	}
	l := Load([]string{"-nats-replicas", "3"}, nil)
	if len(l.Problems) > 0 || len(l.Notes) != 1 || l.Notes[0] != "-nats-replicas is given without -nats, so it has no effect" {
		t.Errorf("%v, %q", l.Problems, l.Notes)
	}
}

// A file that fanfare config has printed is right, and its defaults of NATS are nothing to be noted.
func TestTemplateIsQuiet(t *testing.T) {
	var b strings.Builder
	WriteTemplate(&b)
	l := Load([]string{"-config", write(t, "a.toml", b.String())}, nil)
	if len(l.Problems) > 0 || strings.Contains(strings.Join(l.Notes, "\n"), "nats.") {
		t.Errorf("%v, %q", l.Problems, l.Notes)
	}
}
