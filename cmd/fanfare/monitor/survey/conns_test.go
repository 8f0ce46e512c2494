package survey

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// conns counts the scans of a crowd, each of which takes some time.
type conns struct {
	takes time.Duration

	mu    sync.Mutex
	scans [][]string // the queries of each
}

func (s *conns) scan(queries []string) (all []Clients) {
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.Clone(queries)
	slices.Sort(sorted)
	s.scans = append(s.scans, sorted)
	for _, q := range queries {
		found := Clients{Total: 3}
		for i := range 3 {
			found.Clients = append(found.Clients, Client{ID: fmt.Sprintf("%s-%d-%d", q, len(s.scans), i)})
		}
		all = append(all, found)
	}
	return all
}

func (s *conns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.scans)
}

// find asks, and checks that the answer is one to the question.
func find(t *testing.T, c *Conns, query string, limit int) Clients {
	t.Helper()
	all, err := c.Find(t.Context(), query, limit)
	if err != nil || len(all.Clients) != min(limit, 3) || all.Total != 3 || all.Time.IsZero() || !strings.HasPrefix(all.Clients[0].ID, query+"-") {
		t.Errorf("%q: %+v, %v", query, all, err)
	}
	return all
}

// However many ask, there is one scan in 2 seconds. It answers all queries that wait, and those that were asked before.
func TestScansAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(conns)
		c := NewConns(s.scan, time.Now)
		defer c.Close()
		for range 100 {
			find(t, c, "", 2)
		}
		if s.count() != 1 {
			t.Errorf("100 requests took %d scans", s.count())
		}
		begin := time.Now()
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() { find(t, c, string(rune('a'+i%3)), 3) })
		}
		all.Wait()
		if took := time.Since(begin); took != Every || s.count() != 2 || !slices.Equal(s.scans[1], []string{"", "a", "b", "c"}) {
			t.Errorf("after %v: %q", took, s.scans)
		}
		if find(t, c, "", 1); s.count() != 2 {
			t.Errorf("what was asked before is not answered: %q", s.scans)
		}
		time.Sleep(Every)
		if find(t, c, "b", 1); s.count() != 3 || !slices.Equal(s.scans[2], []string{"", "b"}) {
			t.Errorf("%q", s.scans)
		}
	})
}

// Scans that are slow are rare: they take a twentieth of the time. A request whose client leaves does not wait.
func TestSlowScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &conns{takes: time.Second}
		c := NewConns(s.scan, time.Now)
		defer c.Close()
		begin := time.Now()
		for n := 0; time.Since(begin) < 10*time.Minute; n++ {
			find(t, c, string(rune('a'+n%20)), 1)
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.count(); n > 31 || n < 28 {
			t.Errorf("%d scans of a second in 10 minutes", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.Find(ctx, "another", 1); err == nil {
			t.Error("it has not waited")
		}
	})
}

// Nothing is kept when nobody asks, and no more than some queries at a time.
func TestScansAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(conns)
		c := NewConns(s.scan, time.Now)
		defer c.Close()
		var all sync.WaitGroup
		for i := range 3 * mostQueries {
			all.Go(func() { find(t, c, fmt.Sprintf("q%d", i), 1) })
		}
		all.Wait()
		for _, q := range s.scans {
			if len(q) > mostQueries {
				t.Errorf("a scan answers %d queries", len(q))
			}
		}
		time.Sleep(keepFor + time.Second)
		c.mu.Lock()
		if c.found != nil || len(c.asked) != 0 {
			t.Errorf("it keeps %d queries, %d asked", len(c.found), len(c.asked))
		}
		c.mu.Unlock()
	})
}
