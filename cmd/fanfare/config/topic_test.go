package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

func TestParseTopic(t *testing.T) {
	for s, want := range map[string]Topic{
		"news": {Pattern: "news"},
		"  prices.>  slow=conflate limit=256KiB history=1000 bytes=4MiB age=10m presence grace=5s ": {
			Pattern: "prices.>", Slow: "conflate", Limit: 256 << 10, Presence: true, Grace: 5 * time.Second, History: 1000, Bytes: 4 << 20, Age: 10 * time.Minute,
		},
		"*.log limit=65536 limit-messages=7 slow=drop-oldest": {Pattern: "*.log", Slow: "drop-oldest", Limit: 65536, LimitMessages: 7},
		"cursors.* unstored": {Pattern: "cursors.*", Unstored: true},
		"@> history=10":      {Pattern: "@>", History: 10},
	} {
		if got, err := ParseTopic(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", s, got, err, want)
		}
	}
}

func TestErrorsOfTopics(t *testing.T) {
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
		"a grace=":               {`"grace="`, "2m"},
		"a age=-5s":              {`"age=-5s"`, "2m"},
		"a presence=yes":         {"presence=yes", "does not take a value"},
		"a unstored history=1":   {"unstored", "leave out history"},
		"a bytes=5 unstored":     {"unstored", "leave out history"},
		"news slow = conflate":   {`"slow"`, "drop-oldest"},
	} {
		_, err := ParseTopic(s)
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

func TestOptionsOfTopic(t *testing.T) {
	topic := Topic{Pattern: "a", Slow: "conflate", Limit: 1, LimitMessages: 2, History: 3, Bytes: 4, Age: 5, Presence: true, Grace: 6}
	want := hub.TopicOptions{
		Slow: hub.Conflate, Limit: hub.Limit{Bytes: 1, Messages: 2}, History: hub.History{Messages: 3, Bytes: 4, Age: 5}, Presence: true, PresenceGrace: 6,
	}
	if got := (&Topic{Pattern: "a", Unstored: true}).Options(); got != (hub.TopicOptions{Unstored: true}) {
		t.Errorf("%+v", got)
	}
	if got := topic.Options(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
