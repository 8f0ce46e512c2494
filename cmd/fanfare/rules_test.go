package main

import (
	"reflect"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/hub"
)

// The first rule that matches applies, and its topics share its options.
func TestRulesInOrder(t *testing.T) {
	var topics []config.Topic
	for _, s := range []string{"prices.eur history=1", "prices.> limit=5KiB", "prices.usd history=2", "* presence", "@> history=3"} {
		r, err := config.ParseTopic(s)
		if err != nil {
			t.Fatal(err)
		}
		topics = append(topics, r)
	}
	var rs rules
	rs.set(topics, 777)
	of := rs.options
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

// In a cluster a pattern is unstored, and has no history, if unstored topics match it.
func TestRulesOfPatterns(t *testing.T) {
	var topics []config.Topic
	for _, s := range []string{"cursors.*.at unstored", "@> unstored", "> history=5"} {
		r, err := config.ParseTopic(s)
		if err != nil {
			t.Fatal(err)
		}
		topics = append(topics, r)
	}
	for _, cluster := range []bool{false, true} {
		rs := rules{cluster: cluster}
		rs.set(topics, 777)
		for name, unstored := range map[string]bool{
			">": cluster, "*.*.*": cluster, "cursors.>": cluster, "cursors.x.*": cluster, "*.x.at": cluster,
			"cursors.*": false, "cursors.*.by": false, "*.*": false, "news.>": false, "cursors.at": false,
			"cursors.*.at": true, "cursors.x.at": true, "@ada": true,
		} {
			if o := rs.options(name); o.Unstored != unstored || o.History.Messages > 0 == unstored {
				t.Errorf("cluster %v: %s: %+v", cluster, name, o)
			}
		}
	}
}
