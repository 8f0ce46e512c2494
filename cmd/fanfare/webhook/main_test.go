package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// receiver is an operator's server in memory. It remembers the batches that it has taken.
type receiver struct {
	// answer returns the response to the nth request, from 0; nil means 204.
	answer func(n int, r *http.Request) (*http.Response, error)

	mu       sync.Mutex
	requests int
	ids      []string // of all requests
	events   []event  // that it has taken
}

type request struct {
	Run    string
	Events []event
}

// RoundTrip is the method of http.RoundTripper.
func (s *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	n := s.requests
	s.requests++
	s.ids = append(s.ids, r.Header.Get(idHeader))
	s.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := status(204), error(nil)
	if s.answer != nil {
		resp, err = s.answer(n, r)
	}
	if err != nil || resp.StatusCode/100 != 2 {
		return resp, err
	}
	var got request
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, fmt.Errorf("%s: %w", body, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, got.Events...)
	return resp, nil
}

// status returns a response with pairs of header fields.
func status(code int, header ...string) *http.Response {
	r := &http.Response{StatusCode: code, Status: fmt.Sprint(code, " x"), Header: make(http.Header), Body: http.NoBody}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// got returns the events that the receiver has taken, in a short form.
func (s *receiver) got() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		what := e.Type + " " + e.Topic + e.Client
		if e.Person != nil {
			what += "/" + e.Person.ID + string(e.Person.Data)
		}
		all = append(all, what)
	}
	return all
}

// count returns the number of requests.
func (s *receiver) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// start returns Webhooks that send to the receiver.
func (s *receiver) start(t testing.TB, o Options) *Webhooks {
	t.Helper()
	if o.URLs == nil {
		o.URLs = []string{"http://app.example/hook?secret"}
	}
	if o.Transport == nil {
		o.Transport = s
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.abandon)
	return w
}

// abandon closes w without sending anything.
func (w *Webhooks) abandon() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.Close(ctx)
}

func wants(t *testing.T, s *receiver, want ...string) {
	t.Helper()
	if got := s.got(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// inOrder fails unless the sequence numbers of the events go up, and reports whether none is missing.
func (s *receiver) inOrder(t *testing.T) (whole bool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	last, whole := uint64(0), true
	for _, e := range s.events {
		if e.Sequence <= last {
			t.Fatalf("event %d comes after %d", e.Sequence, last)
		}
		whole = whole && e.Sequence == last+1
		last = e.Sequence
	}
	return whole
}

func person(id, data string) hub.Person { return hub.Person{ID: id, Data: json.RawMessage(data)} }
