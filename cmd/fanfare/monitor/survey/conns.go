package survey

import (
	"context"
	"sync"
	"time"
)

// mostQueries is how many different queries a scan answers. Others wait for the next one.
const mostQueries = 64

// Scan looks at all connections once, and answers queries in their order: each with the clients that match it, at most Most, those
// with most bytes pending first. All match the query "".
type Scan func(queries []string) []Clients

// Conns finds clients. It shares the scans among those who ask.
type Conns struct {
	scan Scan
	now  func() time.Time

	mu     sync.Mutex // held during a scan
	at     time.Time  // of the last scan
	took   time.Duration
	found  map[string]Clients  // by that scan, by query; nil if it is forgotten
	asked  map[string]struct{} // queries since: the next scan answers them
	forget *time.Timer
}

// NewConns returns a survey of connections.
func NewConns(scan Scan, now func() time.Time) *Conns {
	return &Conns{scan: scan, now: now, asked: make(map[string]struct{})}
}

// Close forgets the last scan.
func (c *Conns) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found = nil; c.forget != nil {
		c.forget.Stop()
	}
}

// Find returns up to limit of the clients that match a query, those with most bytes pending first. If the last scan has not
// answered the query, Find waits for the next one, or for the end of ctx. The caller must not change the clients.
func (c *Conns) Find(ctx context.Context, query string, limit int) (Clients, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for again := false; ; again = true {
		wait := due(c.now(), c.at, c.took)
		all, ok := c.found[query]
		ok = ok && wait > 0
		if !(ok && again) && len(c.asked) < mostQueries {
			c.asked[query] = struct{}{}
		}
		switch {
		case ok:
			all.Clients = all.Clients[:min(len(all.Clients), limit)]
			return all, nil
		case wait <= 0:
			c.scanLocked()
		default:
			if err := c.waitLocked(ctx, wait); err != nil {
				return Clients{}, err
			}
		}
	}
}

// waitLocked gives up the lock for a time.
func (c *Conns) waitLocked(ctx context.Context, d time.Duration) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scanLocked answers what was asked since the last scan: also what that one has answered, as those who ask often come again.
func (c *Conns) scanLocked() {
	queries := make([]string, 0, len(c.asked))
	for q := range c.asked {
		queries = append(queries, q)
	}
	clear(c.asked)
	c.at, c.found = c.now(), make(map[string]Clients, len(queries))
	for i, all := range c.scan(queries) {
		all.Time = c.at
		c.found[queries[i]] = all
	}
	c.took = c.now().Sub(c.at)
	after := forgetAfter(c.took)
	if c.forget == nil {
		c.forget = time.AfterFunc(after, c.forgetNow)
		return
	}
	c.forget.Reset(after)
}

func (c *Conns) forgetNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
	clear(c.asked) // those who wait ask again
}
