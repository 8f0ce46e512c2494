package doctest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/webhook"
	"github.com/fanfare-ws/fanfare/hub"
)

// webhookEvent is an event of a webhook.
type webhookEvent struct {
	ID                                       string
	Sequence                                 uint64
	Time                                     int64
	Type, Topic, Client, User, Address, Path string
	Person                                   *hub.Person
	Code                                     int
}

type webhookRequest struct {
	Run    string
	Events []webhookEvent
}

// webhooks checks that a receiver gets the events in a block, but for the run and the times.
func webhooks(t *testing.T, b block) {
	var want, got webhookRequest
	if err := json.Unmarshal([]byte(b.text), &want); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		var some webhookRequest
		if err := json.Unmarshal(body, &some); err != nil {
			t.Error(err)
		}
		got.Run, got.Events = some.Run, append(got.Events, some.Events...)
	}))
	defer app.Close()
	w, err := webhook.New(webhook.Options{URLs: []string{app.URL}, HoldEnds: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Events {
		cause(t, w, &want.Events[i])
	}
	w.Close(t.Context())
	if len(got.Events) != len(want.Events) {
		t.Fatalf("%d events, of %d", len(got.Events), len(want.Events))
	}
	first := want.Events[0].Sequence
	for i, e := range want.Events {
		it := got.Events[i]
		if name := strings.TrimPrefix(e.ID, want.Run+"-"); name == e.ID || e.Sequence != first+uint64(i) || it.Time == 0 || e.Time == 0 {
			t.Errorf("the block has %+v at place %d", e, i)
		}
		e.ID, e.Sequence, e.Time = it.ID, it.Sequence, it.Time
		if !reflect.DeepEqual(e, it) {
			t.Errorf("the block has %+v, and the receiver gets %+v", e, it)
		}
	}
}

// cause has an event happen.
func cause(t *testing.T, w *webhook.Webhooks, e *webhookEvent) {
	c := webhook.Client{ID: e.Client, User: e.User, Path: e.Path}
	if e.Address != "" {
		c.Address = netip.MustParseAddr(e.Address)
	}
	switch e.Type {
	case "topic.occupied", "topic.vacated":
		w.Occupied(e.Topic, e.Type == "topic.occupied")
	case "presence.joined":
		w.Presence(e.Topic, []hub.Person{*e.Person}, nil)
	case "presence.left":
		w.Presence(e.Topic, nil, []hub.Person{*e.Person})
	case "client.connected":
		w.Connected(&c)
	case "client.disconnected":
		w.Disconnected(&c, e.Code)
	default:
		t.Errorf("%s is no event", e.Type)
	}
}
