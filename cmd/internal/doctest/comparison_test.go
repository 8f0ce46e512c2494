package doctest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// comparison compares what a server says with a page. What differs from run to run stands for itself in the page: epochs and
// the names of connections, for which comparison has the actual ones once it has seen them, and times.
type comparison map[string]string

var (
	position = regexp.MustCompile(`^([0-9a-z]+):(\d+)$`)
	// varies are the members whose numbers are times.
	varies = []string{"time", "expires", "retry"}
)

// actual returns a text of the page with the epochs and names of this run.
func (c comparison) actual(text string) string {
	for shown, is := range c {
		text = regexp.MustCompile(`\b`+shown+`\b`).ReplaceAllString(text, is)
	}
	return text
}

// compare returns an error unless a page shows what the server has said.
func (c comparison) compare(shown, said string) error {
	var want, got any
	if json.Unmarshal([]byte(shown), &want) != nil || json.Unmarshal([]byte(said), &got) != nil {
		if !matches(c.actual(shown), said) {
			return fmt.Errorf("the page shows %s\nand this comes: %s", shown, said)
		}
		return nil
	}
	if err := c.value("", want, got); err != nil {
		return fmt.Errorf("the page shows %s\nand this comes: %s\n%w", shown, said, err)
	}
	return nil
}

// value compares the values of a member.
func (c comparison) value(member string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		return c.object(member, want, got)
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("%q differs", member)
		}
		for i := range want {
			if err := c.value(member, want[i], list[i]); err != nil {
				return err
			}
		}
		return nil
	case float64:
		if n, ok := got.(float64); ok && n > 0 && slices.Contains(varies, member) {
			return nil
		}
	case string:
		if text, ok := got.(string); ok && c.text(member, want, text) {
			return nil
		}
	}
	if want != got {
		return fmt.Errorf("%q is %v", member, got)
	}
	return nil
}

func (c comparison) object(member string, want map[string]any, got any) error {
	has, ok := got.(map[string]any)
	if !ok || !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(has))) {
		return fmt.Errorf("%q has other members", member)
	}
	if id, ok := want["id"].(string); ok && want["anonymous"] == true {
		c.learn(id, fmt.Sprint(has["id"]))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if err := c.value(name, want[name], has[name]); err != nil {
			return err
		}
	}
	return nil
}

// text compares strings.
func (c comparison) text(member, want, got string) bool {
	w, g := position.FindStringSubmatch(want), position.FindStringSubmatch(got)
	switch {
	case member == "client":
		return c.learn(want, got)
	case w != nil && g != nil:
		return w[2] == g[2] && c.learn(w[1], g[1])
	}
	return matches(c.actual(want), got)
}

// learn remembers what something in the page is called in this run. It returns false if that is called otherwise.
func (c comparison) learn(shown, is string) bool {
	if c[shown] == "" {
		c[shown] = is
	}
	return c[shown] == is
}

// TestComparison checks that a page cannot show anything else than what is said.
func TestComparison(t *testing.T) {
	for _, x := range []struct {
		shown, said string
		same        bool
	}{
		{`{"id":1,"ok":{"position":"4x7k:2"}}`, `{"id":1,"ok":{"position":"q1z:2"}}`, true},
		{`{"id":1,"ok":{"position":"4x7k:2"}}`, `{"id":1,"ok":{"position":"q1z:3"}}`, false},
		{`{"after":"4x7k:2","latest":"4x7k:3"}`, `{"after":"q1z:2","latest":"q1z:3"}`, true},
		{`{"after":"4x7k:2","latest":"4x7k:3"}`, `{"after":"q1z:2","latest":"q2z:3"}`, false},
		{`{"time":5,"offset":5}`, `{"time":6,"offset":5}`, true},
		{`{"time":5,"offset":5}`, `{"time":5,"offset":6}`, false},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":[1,2]}`, `{"a":[1]}`, false},
		{`{"a":{"b":true}}`, `{"a":{"b":false}}`, false},
		{`{"a":"b … d"}`, `{"a":"b c d"}`, true},
		{`{"a":"b"}`, `{"a":"bc"}`, false},
		{`{"hello":{"client":"c9k2"}}`, `{"hello":{"client":"xyz"}}`, true},
		{`{"present":[{"anonymous":true,"id":"c9k2"},{"anonymous":true,"id":"c9k2"}]}`, `{"present":[{"anonymous":true,"id":"x"},{"anonymous":true,"id":"y"}]}`, false},
		{`close 4401 the token … expired`, `close 4401 the token has expired`, true},
		{`close 4401 the token`, `close 4403 the token`, false},
	} {
		if err := make(comparison).compare(x.shown, x.said); (err == nil) != x.same {
			t.Errorf("%s and %s: %v", x.shown, x.said, err)
		}
	}
	c := make(comparison)
	if err := c.compare(`{"position":"4x7k:2"}`, `{"position":"q1z:2"}`); err != nil || c.actual(`{"after":"4x7k:2"}`) != `{"after":"q1z:2"}` {
		t.Error(err, c)
	}
	if !strings.Contains(fmt.Sprint(c.compare(`{"a":1}`, `{"a":2}`)), "shows") {
		t.Error("the error does not say what the page shows")
	}
}
