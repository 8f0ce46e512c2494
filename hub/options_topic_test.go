package hub

import (
	"strings"
	"testing"
)

// A topic does not begin with a policy that does not exist: nothing knows what to do with its slow subscribers.
func TestUnknownSlowPolicy(t *testing.T) {
	bad := SlowPolicy(len(slowPolicyNames))
	h := New(Options{Topic: func(name string) *TopicOptions {
		if name == "good" {
			return &TopicOptions{Slow: bad - 1, History: History{Messages: 1}}
		}
		return &TopicOptions{Slow: bad, History: History{Messages: 1}}
	}})
	f := new(fake)
	_, published := h.Publish("bad", number(1))
	_, subscribed := h.Subscribe("bad", &f.sub, f, SubscribeOptions{Encoding: raw})
	_, asMember := h.PublishAs("ada", "bad", number(1))
	for do, err := range map[string]error{"Publish": published, "Subscribe": subscribed, "PublishAs": asMember} {
		if err == nil {
			t.Errorf("%s: no error", do)
			continue
		}
		for _, part := range append(slowPolicyNames[:], bad.String(), `"bad"`) {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error does not say %s: %v", do, part, err)
			}
		}
	}
	if n := h.Stats().Topics; n != 0 {
		t.Errorf("%d topics have begun", n)
	}
	if _, err := h.Publish("good", number(1)); err != nil {
		t.Error(err)
	}
}
