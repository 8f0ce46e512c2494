package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
)

// remote has the keys of a URL. One goroutine fetches them; nobody waits for it. If the URL fails, the keys that it had last
// remain in force, and it is tried again ever more rarely.
type remote struct {
	url     string
	refresh time.Duration
	client  *http.Client
	log     *slog.Logger
	set     atomic.Pointer[keySet] // nil until it has been fetched

	asked  chan struct{} // has one item if a fetch is wanted now
	cancel context.CancelFunc
	done   chan struct{} // closed at the end of the goroutine

	mu      sync.Mutex // a leaf
	fetched time.Time  // when the last fetch ended
	busy    bool       // one is under way, or asked for
	failing bool
}

const (
	fetchTimeout = 10 * time.Second
	firstRetry   = time.Second
	maxRetry     = time.Minute
	minAsked     = 30 * time.Second // between a fetch and the next one because of a token with an unknown key
	retryAfter   = time.Second      // for the clients meanwhile
	failingAfter = 5 * time.Second  // for the clients if the URL fails
)

// newRemote returns a remote that fetches the set at once. Until it has one, that of an earlier remote for the URL is in force.
func newRemote(o *Options, set *keySet) *remote {
	r := &remote{url: o.JWKSURL, refresh: o.Refresh, client: o.Client, log: o.Log, asked: make(chan struct{}, 1), done: make(chan struct{}), busy: true}
	if r.client == nil {
		r.client = &http.Client{Timeout: fetchTimeout, CheckRedirect: checkRedirect}
	}
	r.set.Store(set)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return r
}

// checkRedirect follows three redirects, and none from https to http.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 || via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errors.New("the response is a redirect that must not be followed")
	}
	return nil
}

// serves reports whether the remote can be used for these options.
func (r *remote) serves(o *Options) bool {
	return r.url == o.JWKSURL && r.refresh == o.Refresh && (o.Client == nil || o.Client == r.client)
}

func (r *remote) close() {
	r.cancel()
	<-r.done
}

// want is called for a token whose key is not in that set. It returns after which time the key may be there, or 0 if it is
// not to be expected.
func (r *remote) want(set *keySet) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failing:
		return failingAfter
	case r.busy, set != r.set.Load():
		return retryAfter
	case time.Since(r.fetched) < minAsked:
		return 0
	}
	r.busy = true
	r.asked <- struct{}{} // there is room, because it was not busy
	return retryAfter
}

func (r *remote) run(ctx context.Context) {
	defer close(r.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.asked:
		}
		r.begin()
		err := r.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		failures = r.end(err, failures)
		timer.Reset(r.pause(failures))
	}
}

// begin notes that a fetch is under way. A wish for one is thereby fulfilled.
func (r *remote) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = true
	select {
	case <-r.asked:
	default:
	}
}

// end notes the result of a fetch, and logs it if it is another one than before. It returns how many have failed in a row.
func (r *remote) end(err error, failures int) int {
	r.mu.Lock()
	r.busy, r.fetched, r.failing = false, time.Now(), err != nil
	r.mu.Unlock()
	kept := 0
	if set := r.set.Load(); set != nil {
		kept = set.n
	}
	switch {
	case err != nil && failures == 0:
		r.log.Warn("cannot fetch the keys for tokens; it is tried again", "url", httpurl.Mask(r.url), "error", err, "keys", kept)
	case err == nil && failures > 0:
		r.log.Info("the keys for tokens can be fetched again", "url", httpurl.Mask(r.url), "keys", kept)
	}
	if err != nil {
		return failures + 1
	}
	return 0
}

// pause returns the time until the next fetch. It varies by a tenth, so that the servers of a cluster do not come together.
func (r *remote) pause(failures int) time.Duration {
	d := r.refresh
	if failures > 0 {
		d = min(firstRetry<<min(failures-1, 10), maxRetry, r.refresh)
	}
	return d - time.Duration(rand.Int64N(int64(d/10)+1))
}

// fetch replaces the set if the URL has another one.
func (r *remote) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	b, err := r.get(ctx)
	if err != nil {
		return err
	}
	set, err := parseSet(b, false)
	if err != nil {
		return err
	}
	if old := r.set.Load(); old == nil || old.digest != set.digest {
		r.set.Store(set)
	}
	return nil
}

func (r *remote) get(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, httpurl.WithoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the response has status %d; it must be 200", response.StatusCode)
	}
	b, err := readAll(response.Body, "the response")
	return b, httpurl.WithoutURL(err)
}
