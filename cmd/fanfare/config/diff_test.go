package config

import (
	"reflect"
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
	if got := Diff(old, old); !reflect.DeepEqual(got, Changes{}) {
		t.Errorf("%+v", got)
	}
}

// After a reload, what needs a restart is as it was, with its source; so the next reload names it again.
func TestWith(t *testing.T) {
	old := fine(t, nil, "-topic", "a history=1", "-topic", "b", "-ping", "7s")
	now := fine(t, []string{"FANFARE_TOPIC=c history=2", "FANFARE_PING=5s"})
	c := old.With(now)
	if c.Limits.Ping != 7*time.Second || c.Source("limits.ping").Name != "ping" || !reflect.DeepEqual(c.Topics, now.Topics) || c.Source("topic[0]").Name != "FANFARE_TOPIC" {
		t.Errorf("%v from %v, %+v from %v", c.Limits.Ping, c.Source("limits.ping"), c.Topics, c.Source("topic[0]"))
	}
	if old.Topics[0].History != 1 || old.Source("topic[1]").Name != "topic" {
		t.Error("the old one has changed")
	}
	if got := Diff(c, now); !reflect.DeepEqual(got, Changes{Restart: []string{"limits.ping"}}) {
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
