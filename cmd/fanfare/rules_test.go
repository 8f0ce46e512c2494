package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

func TestParseRule(t *testing.T) {
	for s, want := range map[string]rule{
		"news": {pattern: "news"},
		"  prices.>  slow=conflate limit=256KiB history=1000 bytes=4MiB age=10m presence grace=5s ": {"prices.>", hub.TopicOptions{
			Slow: hub.Conflate, Limit: hub.Limit{Bytes: 256 << 10}, Presence: true, PresenceGrace: 5 * time.Second,
			History: hub.History{Messages: 1000, Bytes: 4 << 20, Age: 10 * time.Minute},
		}},
		"*.log limit=65536 limit-messages=7 slow=drop-oldest": {"*.log", hub.TopicOptions{
			Slow: hub.DropOldest, Limit: hub.Limit{Bytes: 65536, Messages: 7},
		}},
		"@> history=10": {"@>", hub.TopicOptions{History: hub.History{Messages: 10}}},
	} {
		if got, err := parseRule(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", s, got, err, want)
		}
	}
}

func TestErrorsOfRules(t *testing.T) {
	for s, says := range map[string][]string{
		"":                       {"empty", "news.>"},
		"a..b":                   {"a..b", "empty part"},
		"a.>.b":                  {"a.>.b", "> before its end"},
		"a hystory=5":            {`"hystory=5"`, "history=MESSAGES", "slow=POLICY"},
		"a history":              {`"history"`, "number of messages"},
		"a history=0":            {`"history=0"`, "at least 1"},
		"a history=5 history=6":  {"history", "twice"},
		"a limit=4MBit":          {`"limit=4MBit"`, "5MiB"},
		"a limit=0":              {`"limit=0"`, "4MiB"},
		"a bytes=99999999999999": {"bytes"},
		"a limit-messages=-1":    {"limit-messages=-1", "number"},
		"a slow=drop":            {`"slow=drop"`, "drop-oldest"},
		"a age=10":               {`"age=10"`, "10m"},
		"a grace=":               {`"grace="`, "10m"},
		"a age=-5s":              {`"age=-5s"`, "10m"},
		"a presence=yes":         {"presence=yes", "does not take a value"},
		"news slow = conflate":   {`"slow"`, "drop-oldest"},
	} {
		_, err := parseRule(s)
		if err == nil {
			t.Errorf("%q: no error", s)
			continue
		}
		for _, say := range says {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%q: %v; it does not say %s", s, err, say)
			}
		}
	}
}

// The first rule that matches applies, and its topics share its options.
func TestRulesInOrder(t *testing.T) {
	var rs rules
	for _, s := range []string{"prices.eur history=1", "prices.> limit=5KiB", "prices.usd history=2", "* presence", "@> history=3"} {
		r, err := parseRule(s)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	of := rs.topicOptions(777)
	for name, want := range map[string]hub.TopicOptions{
		"prices.eur": {History: hub.History{Messages: 1}, Limit: hub.Limit{Bytes: 777}},
		"prices.usd": {Limit: hub.Limit{Bytes: 5 << 10}},
		"prices.*":   {Limit: hub.Limit{Bytes: 5 << 10}},
		"news":       {Presence: true, Limit: hub.Limit{Bytes: 777}},
		"a.b":        {Limit: hub.Limit{Bytes: 777}},
		"@ada":       {History: hub.History{Messages: 3}, Limit: hub.Limit{Bytes: 777}},
		"@ada.l":     {History: hub.History{Messages: 3}, Limit: hub.Limit{Bytes: 777}},
	} {
		if got := of(name); !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, want %+v", name, *got, want)
		}
	}
	if of("prices.a") != of("prices.b.c") || of("a.b") != of("c.d") {
		t.Error("topics of one rule do not share what it says")
	}
}
