package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// flaky is a server that can be switched off.
type flaky struct {
	down     bool
	requests int
}

func (f *flaky) serve(*http.Request) (int, string, error) {
	f.requests++
	if f.down {
		return 0, "", errors.New("connection refused")
	}
	return 200, ok, nil
}

// A backend goes away and comes back. Meanwhile calls fail without a request, except for one probe after each pause.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		f := &flaky{down: true}
		b := start(t, "http://user:sesame@x/?key=sesame", Options{
			Transport: transport(f.serve), Breaker: Breaker{Failures: 3, Pause: 8 * time.Second, MaxPause: 20 * time.Second},
			Secret: []byte("sesame"), Token: "sesame", Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		call := func() error {
			_, err := b.Do(t.Context(), subscribe("ann", "a"))
			return err
		}
		for range 3 {
			if err := call(); !errors.Is(err, ErrDown) {
				t.Fatal(err)
			}
		}
		for range 100 {
			var down *Error
			if err := call(); !errors.As(err, &down) || !errors.Is(err, ErrDown) || down.Retry < 6*time.Second || down.Retry > 10*time.Second {
				t.Fatalf("%v, %+v", err, down)
			}
		}
		if f.requests != 3 || b.Stats(Subscribe).Breaker != "open" {
			t.Errorf("%d requests, breaker %s", f.requests, b.Stats(Subscribe).Breaker)
		}
		for probe, pause := range []int{10, 20, 25} { // the longest that jitter makes of 8, 16, 20 s
			time.Sleep(time.Duration(pause) * time.Second)
			for range 10 {
				if err := call(); !errors.Is(err, ErrDown) {
					t.Fatal(err)
				}
			}
			if f.requests != 4+probe {
				t.Errorf("%d requests after probe %d", f.requests, probe)
			}
		}
		f.down = false
		if err := call(); !errors.Is(err, ErrDown) {
			t.Errorf("before the next probe: %v", err)
		}
		time.Sleep(25 * time.Second)
		for range 10 {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Stats(Subscribe)
		if s.Breaker != "closed" || s.Opened != 4 || s.Failures[unreachable] != 6 || s.Failed != 3+100+30+1 || s.Granted != 10 {
			t.Errorf("%+v", s)
		}
		checkLog(t, log.String())
	})
}

func checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, "sesame") || strings.Contains(log, "key=") {
		t.Errorf("a secret is in the log:\n%s", log)
	}
	var got []string
	for line := range strings.Lines(log) {
		_, msg, _ := strings.Cut(line, `msg="`)
		msg, _, _ = strings.Cut(msg, `"`)
		got = append(got, msg)
	}
	want := []string{
		"a request to the backend failed", "the backend fails; no requests are sent until a probe succeeds",
		"the backend still fails", "the backend still fails", "the backend still fails", "the backend answers again",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log is\n%s", log)
	}
}

// While the probe is under way no other request is sent. A probe that is given up leaves its place to the next.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		down := true
		b := start(t, "http://x", Options{Breaker: Breaker{Failures: 1}, Transport: transport(func(r *http.Request) (int, string, error) {
			if down {
				return 500, "", nil
			}
			return g.serve(r)
		})})
		var all collected
		call := func(ctx context.Context) {
			b.Go(ctx, subscribe("ann", "a"), all.done())
			synctest.Wait()
		}
		call(t.Context())
		down = false
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		call(ctx)
		if s := b.Stats(Subscribe); s.Breaker != "probing" {
			t.Errorf("%+v", s)
		}
		call(t.Context())
		if len(g.arrived) != 1 || all.count(ErrDown) != 2 {
			t.Errorf("%d probes", len(g.arrived))
		}
		cancel()
		synctest.Wait()
		call(t.Context())
		g.leave <- struct{}{}
		synctest.Wait()
		if s := b.Stats(Subscribe); s.Breaker != "closed" || all.count(nil) != 1 || len(g.arrived) != 2 {
			t.Errorf("%d probes, %+v", len(g.arrived), s)
		}
	})
}

// Calls in the queue do not wait for a backend that turns out to be down.
func TestBreakerEmptiesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		b := start(t, "http://x", Options{MaxConcurrent: 1, Breaker: Breaker{Failures: 2}, Transport: transport(func(*http.Request) (int, string, error) {
			requests++
			time.Sleep(time.Second)
			return 503, "", nil
		})})
		var all collected
		for i := range 100 {
			b.Go(t.Context(), subscribe("ann", fmt.Sprint(i)), all.done())
		}
		all.wg.Wait()
		if requests != 2 || all.count(ErrDown) != 100 {
			t.Errorf("%d requests, %d calls failed", requests, all.count(ErrDown))
		}
	})
}

// A share of failures opens the breaker, even if they are never in a row.
func TestBreakerShare(t *testing.T) {
	now := time.Now()
	run := func(every int) (results int) {
		b := breaker{opts: Breaker{Failures: 10, Share: 0.3, Pause: time.Second, MaxPause: time.Second}}
		for results = range 1000 {
			if b.end(now, false, results%every == 0) {
				break
			}
		}
		return results
	}
	if n := run(2); n != 20 {
		t.Errorf("with half failing it opens after %d results, want 20", n)
	}
	if n := run(3); n < 20 || n > 40 {
		t.Errorf("with a third failing it opens after %d results", n)
	}
	if n := run(4); n != 999 {
		t.Errorf("with a quarter failing it opens after %d results, want never", n)
	}
	never := breaker{opts: Breaker{Failures: 1000, Share: 1.1}}
	for range 100 {
		if never.end(now, false, true) {
			t.Error("a share above 1 is reached")
		}
	}
}

// Results of requests that began before the breaker opened change nothing.
func TestLateResults(t *testing.T) {
	now := time.Now()
	b := breaker{opts: Breaker{Failures: 2, Share: 2, Pause: time.Second, MaxPause: time.Second}}
	b.end(now, false, true)
	if !b.end(now, false, true) || b.end(now, false, true) || b.end(now, false, false) || b.state() != "open" || b.opened != 1 {
		t.Errorf("%+v", b)
	}
}

// A fallback that allows grants the rights of the options; but not to calls for which there was no room.
func TestFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "http://x", Options{
			MaxConcurrent: 1, MaxWaiting: 1, Transport: transport(hang), Breaker: Breaker{Failures: 1},
			Connect: HookOptions{Fallback: Fallback{Allow: true, Rights: Rights{Read: []string{"public/*"}}}},
		})
		var all collected
		b.Go(t.Context(), &Request{Hook: Connect}, all.done())
		if _, err := b.Do(t.Context(), &Request{Hook: Connect}); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the limit: %v", err)
		}
		all.wg.Wait()
		a, err := b.Do(t.Context(), &Request{Hook: Connect})
		if err != nil || !a.Fallback || fmt.Sprint(a.Read) != "[public/*]" || a.Write != nil {
			t.Errorf("%+v, %v", a, err)
		}
		if s := b.Stats(Connect); s.FellBack != 2 || s.Busy != 1 {
			t.Errorf("%+v", s)
		}
		_, err = b.Do(t.Context(), subscribe("ann", "a"))
		if !errors.Is(err, ErrDown) || err.Error() != "subscribe hook: the backend is not available" {
			t.Errorf("%v", err)
		}
	})
}

// A server that does not exist is reported without its URL.
func TestUnreachable(t *testing.T) {
	var log strings.Builder
	b := start(t, "http://user:sesame@127.0.0.1:0/sesame?key=sesame", Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := b.Do(t.Context(), &Request{Hook: Connect})
	if !errors.Is(err, ErrDown) || strings.Contains(err.Error()+log.String(), "sesame") || !strings.Contains(log.String(), "127.0.0.1:0") {
		t.Errorf("%v; logged %s", err, log.String())
	}
}

// A client that is refused does not make the backend look down for others.
func TestRefusalsAreNoFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, "http://x", Options{
			Breaker: Breaker{Failures: 2}, Subscribe: HookOptions{Fallback: Fallback{Allow: true}},
			Transport: transport(func(r *http.Request) (int, string, error) { return 404, "", nil }),
		})
		for range 100 {
			var refused *Refusal
			if _, err := b.Do(t.Context(), subscribe("ann", "none")); !errors.As(err, &refused) || refused.Code != 404 || refused.Error() == "" {
				t.Fatal(err)
			}
		}
		if s := b.Stats(Subscribe); s.Refused != 100 || s.Failures[badStatus] != 0 || s.FellBack != 0 || s.Breaker != "closed" {
			t.Errorf("%+v", s)
		}
	})
}

// What is granted while the backend is down ends soon.
func TestFallbackEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lifetime, want := range map[time.Duration]time.Duration{0: DefaultMaxFallback, time.Minute: time.Minute} {
			b := start(t, "http://x", Options{
				Transport: transport((&flaky{down: true}).serve), Connect: HookOptions{Fallback: Fallback{Allow: true}, MaxFallback: lifetime},
			})
			if a, err := b.Do(t.Context(), &Request{Hook: Connect}); err != nil || time.Until(a.Expires) != want {
				t.Errorf("%v, %v, want %v", time.Until(a.Expires), err, want)
			}
		}
	})
}

// The pause is at least what the backend asks for, and at most MaxPause.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			status int
			retry  string
			want   time.Duration
		}{
			{503, "20", 20 * time.Second}, {429, "20", 20 * time.Second}, {503, "100", 30 * time.Second},
			{503, time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat), 20 * time.Second},
			{503, "99999999999999999999", 0}, {503, "soon", 0}, {500, "20", 0},
		} {
			b := start(t, "http://x", Options{Breaker: Breaker{Failures: 1}, Transport: retrying{c.status, c.retry}})
			_, _ = b.Do(t.Context(), subscribe("ann", "a"))
			_, err := b.Do(t.Context(), subscribe("ann", "a"))
			var down *Error
			if !errors.As(err, &down) || c.want > 0 && down.Retry != c.want || c.want == 0 && down.Retry > 2*time.Second {
				t.Errorf("%d with Retry-After %s: %v %+v", c.status, c.retry, err, down)
			}
		}
	})
}

// retrying is a server that gives a time after which to try again.
type retrying struct {
	status int
	after  string
}

func (s retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: http.Header{"Retry-After": {s.after}}, Body: http.NoBody, Request: r}, nil
}
