package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(receiver)
		w := s.start(t, Options{HoldEnds: -1})
		c := &Client{ID: "c1", User: "ada", Path: "/hub"}
		w.Connected(c)
		w.Occupied("news", true)
		w.Presence("news", []hub.Person{person("ada", "1")}, nil)
		w.Presence("news", nil, []hub.Person{person("ada", "1")})
		w.Occupied("news", false)
		w.Occupied("@ada", true) // no topic of a user matches >
		w.Disconnected(c, 1000)
		time.Sleep(time.Second)
		wants(t, s, "client.connected c1", "topic.occupied news", "presence.joined news/ada1", "presence.left news/ada1", "topic.vacated news", "client.disconnected c1")
		if n := s.count(); n != 1 || !s.inOrder(t) {
			t.Errorf("%d requests, want a batch", n)
		}
		if last := s.events[5]; last.Code != 1000 || last.User != "ada" || last.Path != "/hub" || last.ID != w.run+"-6" || last.Time == 0 {
			t.Errorf("%+v", last)
		}
	})
}

func TestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(receiver)
		w := s.start(t, Options{HoldEnds: -1, Events: []string{"topic.occupied", "topic.vacated", "client.connected"}, Topics: []string{"a.*", "@>"}})
		for _, topic := range []string{"a", "a.1", "a.*", "a.1.2", "@ada", ">"} {
			w.Occupied(topic, true)
		}
		w.Presence("a.1", []hub.Person{person("ada", "1")}, nil)
		w.Connected(&Client{ID: "c"})
		w.Disconnected(&Client{ID: "c"}, 1000)
		time.Sleep(time.Second)
		wants(t, s, "topic.occupied a.1", "topic.occupied a.*", "topic.occupied @ada", "client.connected c")
		if !s.inOrder(t) {
			t.Error("what is not sent has left a gap")
		}
		if err := w.Set(Options{URLs: w.options.Load().URLs, Topics: []string{"b"}, Transport: s}); err != nil {
			t.Fatal(err)
		}
		w.Occupied("a.1", false)
		w.Occupied("b", true)
		time.Sleep(time.Second)
		if got := s.got(); len(got) != 5 || got[4] != "topic.occupied b" {
			t.Errorf("after Set: %q", got)
		}
		if err := w.Set(Options{URLs: []string{"http://other.example"}}); err == nil {
			t.Error("Set has changed the URL")
		}
	})
}

// An end is sent after a while, unless the opposite comes before.
func TestHoldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(receiver)
		w := s.start(t, Options{HoldEnds: 3 * time.Second, BatchDelay: -1})
		w.Occupied("a", true)
		w.Presence("a", []hub.Person{person("ada", "1"), person("bob", "1")}, nil)
		time.Sleep(time.Second)
		for range 100 { // it flaps
			w.Occupied("a", false)
			w.Presence("a", nil, []hub.Person{person("ada", "1"), person("bob", "1")})
			time.Sleep(2 * time.Second)
			w.Presence("a", []hub.Person{person("ada", "1"), person("bob", "1")}, nil)
			w.Occupied("a", true)
		}
		first := []string{"topic.occupied a", "presence.joined a/ada1", "presence.joined a/bob1"}
		wants(t, s, first...)
		w.Presence("a", nil, []hub.Person{person("ada", "1"), person("bob", "1")})
		w.Occupied("a", false)
		w.Occupied("b", true)
		w.Presence("a", []hub.Person{person("ada", "2")}, nil) // with other data
		time.Sleep(2900 * time.Millisecond)
		first = append(first, "topic.occupied b", "presence.joined a/ada2")
		wants(t, s, first...)
		time.Sleep(200 * time.Millisecond)
		wants(t, s, append(first, "presence.left a/bob1", "topic.vacated a")...)
		if st := w.Stats(); st.Held != 0 || st.Coalesced != 601 || w.holding.bytes != 0 || len(w.holding.order) != 0 {
			t.Errorf("%+v, %d bytes and %d places", st, w.holding.bytes, len(w.holding.order))
		}
	})
}

// What is held is bounded, too: the oldest ones are sent early.
func TestHoldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(receiver)
		w := s.start(t, Options{HoldEnds: time.Hour, MaxQueue: 100})
		for i := range 1000 {
			w.Occupied(fmt.Sprint("t", i), false)
			time.Sleep(time.Second)
		}
		if st := w.Stats(); st.Held != 100 || len(s.got()) != 900 || s.got()[0] != "topic.vacated t0" {
			t.Errorf("%d are held, %d sent", st.Held, len(s.got()))
		}
		for i := range 10_000 { // cancelled ones have places for a while
			w.Occupied(fmt.Sprint("u", i), false)
			w.Occupied(fmt.Sprint("u", i), true)
			if n := len(w.holding.order); n > 300 {
				t.Fatalf("%d places", n)
			}
		}
	})
}

// Batches fail in every way, in any order: what arrives is in order, and whole.
func TestOrderOverRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &receiver{answer: func(n int, r *http.Request) (*http.Response, error) {
			switch n % 7 {
			case 0:
				return nil, errors.New("refused")
			case 1:
				<-r.Context().Done() // no answer
				return nil, r.Context().Err()
			case 2:
				return status(503), nil
			case 3:
				return status(429, "Retry-After", "2"), nil
			case 4:
				return status(302, "Location", "http://other.example/"), nil
			}
			return status(200), nil
		}}
		w := s.start(t, Options{MaxBatch: 7})
		const events = 200
		for i := range events {
			w.Connected(&Client{ID: fmt.Sprint(i)})
			time.Sleep(time.Duration(i) * time.Millisecond)
		}
		time.Sleep(30 * time.Minute)
		if !s.inOrder(t) || len(s.got()) != events {
			t.Errorf("%d events have come, in order and whole: %v", len(s.got()), s.inOrder(t))
		}
		st := w.Stats().Endpoints[0]
		if st.Sent != events || st.Dropped+st.DeadLetters != 0 || st.Queued+st.QueuedBytes != 0 || st.Retries == 0 ||
			st.Failures[timedOut] == 0 || st.Failures[unreachable] == 0 || st.Failures[badStatus] < 2*st.Failures[timedOut] {
			t.Errorf("%+v", st)
		}
		for i, id := range s.ids[1:] { // a batch keeps its name until it is taken
			if (id == s.ids[i]) != (i%7 < 5) {
				t.Fatalf("request %d has the id %s, after %s", i+1, id, s.ids[i])
			}
		}
	})
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		s := &receiver{answer: func(n int, _ *http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			if n == 8 {
				return status(429, "Retry-After", "300"), nil
			}
			return status(500), nil
		}}
		w := s.start(t, Options{RetryDelay: time.Second, MaxRetryDelay: 30 * time.Second, GiveUpAfter: time.Hour})
		w.Occupied("a", true)
		time.Sleep(10 * time.Minute)
		w.abandon()
		for i := range 8 {
			longest := min(time.Second<<i, 30*time.Second)
			if d := at[i+1].Sub(at[i]); d < longest/2 || d > longest {
				t.Errorf("delay %d is %v; it should be %v to %v", i, d, longest/2, longest)
			}
		}
		if d := at[9].Sub(at[8]); d != 5*time.Minute {
			t.Errorf("after 429 with Retry-After: 300 the delay is %v", d)
		}
	})
}

// recovering returns a receiver that takes nothing until up is true.
func recovering() (s *receiver, up *atomic.Bool) {
	up = new(atomic.Bool)
	return &receiver{answer: func(int, *http.Request) (*http.Response, error) {
		if up.Load() {
			return status(204), nil
		}
		return status(404), nil
	}}, up
}

// A batch is given up in the end. The next one gets a try of its own, and not at once.
func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, up := recovering()
		w := s.start(t, Options{GiveUpAfter: time.Minute, MaxRetryDelay: 10 * time.Second, MaxBatch: 2})
		for i := range 6 {
			w.Connected(&Client{ID: fmt.Sprint(i)})
		}
		time.Sleep(90 * time.Second)
		before := w.Stats().Endpoints[0]
		if before.DeadLetters == 0 || before.DeadLetters%2 != 0 || before.Failing != (before.Queued > 0) || s.count() > 25 {
			t.Errorf("%+v after %d requests", before, s.count())
		}
		up.Store(true)
		w.Connected(&Client{ID: "last"})
		time.Sleep(time.Minute)
		st := w.Stats().Endpoints[0]
		if got := s.got(); got[len(got)-1] != "client.connected last" || st.Sent+st.DeadLetters != 7 || st.Queued != 0 || st.Failing {
			t.Errorf("%+v, got %q", st, got)
		}
		s.inOrder(t)
	})
}

// An endpoint fails as long as there is something that it does not take. The log has the end of each failure once.
func TestFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, up := recovering()
		var log bytes.Buffer
		w := s.start(t, Options{GiveUpAfter: time.Minute, MaxRetryDelay: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ends := func(want int) {
			t.Helper()
			synctest.Wait()
			if n := strings.Count(log.String(), `level=INFO msg="a webhook endpoint works again" url=http://app.example`); n != want {
				t.Errorf("%d lines say that it works again, want %d: %s", n, want, &log)
			}
		}
		fails := func(want bool, queued int) {
			t.Helper()
			if st := w.Stats().Endpoints[0]; st.Failing != want || st.Queued != queued {
				t.Errorf("it fails: %v; %d events are queued; want %v, %d", st.Failing, st.Queued, want, queued)
			}
		}
		w.Connected(&Client{ID: "a"})
		time.Sleep(30 * time.Second)
		fails(true, 1)
		time.Sleep(time.Minute) // it is given up
		fails(false, 0)
		w.Connected(&Client{ID: "b"})
		time.Sleep(30 * time.Second)
		fails(true, 1)
		ends(0)
		up.Store(true)
		time.Sleep(10 * time.Second)
		fails(false, 0)
		ends(1)
		w.Connected(&Client{ID: "c"})
		time.Sleep(time.Minute)
		ends(1)
		up.Store(false)
		w.Connected(&Client{ID: "d"})
		time.Sleep(20 * time.Second)
		up.Store(true)
		time.Sleep(20 * time.Second)
		ends(2)
		wants(t, s, "client.connected b", "client.connected c", "client.connected d")
	})
}

// A full queue loses its oldest events, not those under way, and a slow endpoint delays nobody else.
func TestOverflow(t *testing.T) {
	for name, o := range map[string]Options{"events": {MaxQueue: 100}, "bytes": {MaxQueueBytes: 100 * 183}} {
		synctest.Test(t, func(t *testing.T) {
			proceed := make(chan struct{})
			s, fast := new(receiver), new(receiver)
			s.answer = func(n int, _ *http.Request) (*http.Response, error) {
				<-proceed
				return status(204), nil
			}
			o.URLs, o.MaxBatch, o.Timeout = []string{"http://slow.example", "http://fast.example"}, 10, time.Hour
			o.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "fast.example" {
					return fast.RoundTrip(r)
				}
				return s.RoundTrip(r)
			})
			w := s.start(t, o)
			const events = 1000
			for i := range events {
				w.Connected(&Client{ID: fmt.Sprintf("%04d", i)})
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			if fast.inOrder(t); len(fast.got()) != events {
				t.Errorf("%s: the other endpoint got %d", name, len(fast.got()))
			}
			st := w.Stats().Endpoints[0]
			if st.Queued > 105 || st.Queued < 90 || st.QueuedBytes > 100*183 || st.Oldest < time.Second || int(st.Dropped)+st.Queued != events {
				t.Errorf("%s: %+v", name, st)
			}
			close(proceed)
			time.Sleep(time.Second)
			got := s.got()
			if s.inOrder(t) || len(got) != st.Queued || got[0] != "client.connected 0000" || got[len(got)-1] != "client.connected 0999" {
				t.Errorf("%s: %d have come, from %s to %s", name, len(got), got[0], got[len(got)-1])
			}
		})
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Close sends what is queued and held, at once and in order; what is not taken in its time is counted.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := &receiver{answer: func(int, *http.Request) (*http.Response, error) {
			if !up.Load() {
				return status(503, "Retry-After", "3000"), nil
			}
			return status(200), nil
		}}
		w := s.start(t, Options{MaxBatch: 10, BatchDelay: time.Hour})
		for i := range 55 {
			w.Occupied(fmt.Sprint(i), true)
		}
		w.Occupied("1", false)
		time.Sleep(time.Minute)
		up.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.Close(ctx)
		w.Occupied("late", true)
		if got := s.got(); len(got) != 56 || got[55] != "topic.vacated 1" || !s.inOrder(t) || ctx.Err() != nil {
			t.Errorf("got %d: %q", len(got), got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &receiver{answer: func(n int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		w := s.start(t, Options{MaxBatch: 10, Timeout: time.Hour})
		for i := range 55 {
			w.Occupied(fmt.Sprint(i), true)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		w.Close(ctx)
		if st := w.Stats().Endpoints[0]; st.Dropped != 55 || st.Queued != 0 || time.Since(start) != 10*time.Second {
			t.Errorf("%+v after %v", st, time.Since(start))
		}
	})
}

// While Close waits, a request that fails is sent again and again, however long the delays were before.
func TestCloseTriesAgain(t *testing.T) {
	for name, o := range map[string]Options{
		"long delays":  {RetryDelay: time.Minute, MaxRetryDelay: time.Hour, GiveUpAfter: 24 * time.Hour},
		"short delays": {RetryDelay: time.Second, MaxRetryDelay: time.Minute, GiveUpAfter: 24 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			const failing, window = 3 * time.Hour, 10 * time.Second // so that the delays are at their longest
			var at []time.Time
			upAt := time.Now().Add(failing + 6*time.Second)
			s := &receiver{answer: func(int, *http.Request) (*http.Response, error) {
				at = append(at, time.Now())
				if time.Now().Before(upAt) {
					return status(503, "Retry-After", "3000"), nil
				}
				return status(200), nil
			}}
			w := s.start(t, o)
			w.Occupied("a", true)
			time.Sleep(failing)
			synctest.Wait()
			before, start := len(at), time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), window)
			defer cancel()
			w.Close(ctx)
			wants(t, s, "topic.occupied a")
			tries := at[before:]
			if len(tries) < 3 || !tries[0].Equal(start) {
				t.Fatalf("%s: %d attempts in %v, the first one after %v", name, len(tries), window, tries[0].Sub(start))
			}
			for i, this := range tries[1:] {
				if d, left := this.Sub(tries[i]), start.Add(window).Sub(tries[i]); d > left/2 || d < leastDelay {
					t.Errorf("%s: a delay of %v when %v were left", name, d, left)
				}
			}
		})
	}
}

// New options end the delay after a failure. They do not shorten delays that begin later.
func TestSetEndsADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		s := &receiver{answer: func(_ int, r *http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			if r.Header.Get("Authorization") != "Bearer right" {
				return status(401, "Retry-After", "3600"), nil
			}
			return status(200), nil
		}}
		o := Options{URLs: []string{"http://app.example/"}, Transport: s, Logger: quiet, Token: "wrong", GiveUpAfter: 24 * time.Hour}
		w := s.start(t, o)
		for range 3 {
			if err := w.Set(o); err != nil { // while nothing waits
				t.Fatal(err)
			}
		}
		w.Occupied("a", true)
		time.Sleep(30 * time.Minute)
		if synctest.Wait(); len(at) != 1 {
			t.Fatalf("%d requests in half an hour; the endpoint has said when to come back", len(at))
		}
		o.Token = "right"
		if err := w.Set(o); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if wants(t, s, "topic.occupied a"); len(at) != 2 || !at[1].Equal(time.Now()) {
			t.Errorf("%d requests", len(at))
		}
	})
}

// Events come from many goroutines at a time, while the options change and the endpoint fails now and then.
func TestConcurrency(t *testing.T) {
	s := &receiver{answer: func(n int, _ *http.Request) (*http.Response, error) { return status(200 + 300*(n%2)), nil }}
	o := Options{MaxBatch: 20, BatchDelay: -1, HoldEnds: time.Nanosecond, RetryDelay: 1, MaxRetryDelay: 1}
	w := s.start(t, o)
	o.URLs, o.Transport, o.Logger = w.options.Load().URLs, s, quiet
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				w.Connected(&Client{ID: strconv.Itoa(i)})
				w.Occupied(fmt.Sprint(i), n%2 == 0)
				if n%50 == 0 {
					if err := w.Set(o); err != nil {
						t.Error(err)
					}
					w.Stats()
				}
			}
		})
	}
	all.Wait()
	w.Close(t.Context())
	st := w.Stats()
	if whole := s.inOrder(t); !whole || st.Endpoints[0].Sent != w.sequence || st.Held != 0 {
		t.Errorf("%+v, and %d numbers", st, w.sequence)
	}
	last := make(map[string]string)
	for _, e := range s.got() {
		if kind, topic, _ := strings.Cut(e, " "); strings.HasPrefix(kind, "topic") {
			if last[topic] == kind {
				t.Fatalf("topic %s: %s twice in a row", topic, kind)
			}
			last[topic] = kind
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for text, o := range map[string]Options{
		"URLs is empty":    {},
		"URLs[0]":          {URLs: []string{"ftp://x"}},
		"URLs[1]":          {URLs: []string{"http://x", "http://u:secret@x"}},
		"is not an event":  {URLs: []string{"http://x"}, Events: []string{"all"}},
		"not a pattern":    {URLs: []string{"http://x"}, Topics: []string{"a..b"}},
		"one user":         {URLs: []string{"http://x"}, Topics: []string{"@{user}"}},
		"Timeout is":       {URLs: []string{"http://x"}, Timeout: -1},
		"MaxQueueBytes is": {URLs: []string{"http://x"}, MaxQueueBytes: -1},
		"MaxRetryDelay is": {URLs: []string{"http://x"}, RetryDelay: 3, MaxRetryDelay: 2},
		"the token":        {URLs: []string{"http://x"}, Token: "a\nb"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if d := (Options{}).WithDefaults(); !slices.Equal(d.Events, Types[:]) || d.MaxQueue != DefaultMaxQueue {
		t.Errorf("%+v", d)
	}
}
