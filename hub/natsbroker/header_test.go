package natsbroker

import (
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
)

func TestContentHeader(t *testing.T) {
	for _, m := range []hub.Envelope{
		{Kind: hub.Text}, {Kind: hub.Binary}, {Kind: hub.JSON},
		{Kind: hub.JSON, Key: "a, b\r\n%ü"},
		{Origin: hub.Origin{Node: 1<<64 - 1, Publisher: 1}},
		{Kind: hub.Binary, Key: ",", Origin: hub.Origin{Publisher: 1 << 63}},
	} {
		var got hub.Envelope
		if err := setContent(&got, contentHeader(&m)); err != nil {
			t.Errorf("%q: %v", contentHeader(&m), err)
		}
		if got.Kind != m.Kind || got.Key != m.Key || got.Origin != m.Origin {
			t.Errorf("%+v becomes %q, and then %+v", m, contentHeader(&m), got)
		}
	}
	for _, header := range []string{"x", "tb", "t,1", ",1,1", "t,1,y", "t,1,1,%4"} {
		if err := setContent(new(hub.Envelope), header); err == nil {
			t.Errorf("%q was accepted", header)
		}
	}
	for data, want := range map[string]hub.Kind{"grüße": hub.Text, "\xff": hub.Binary} {
		m := hub.Envelope{Data: []byte(data)}
		if err := setContent(&m, ""); err != nil || m.Kind != want {
			t.Errorf("%q of another program has the kind %v, %v", data, m.Kind, err)
		}
	}
}
