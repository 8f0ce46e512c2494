package history

import (
	"sync"
	"time"
)

// The resolutions, and how far they reach back.
const (
	FineEvery   = time.Second
	FineSpan    = 5 * time.Minute
	CoarseEvery = 10 * time.Second
	CoarseSpan  = 15 * time.Minute
)

// History has the points of the last minutes.
type History struct {
	mu           sync.Mutex
	seq          int64 // Adds so far
	started      time.Time
	fine, coarse *track

	stop, done chan struct{} // of Start
}

// New returns a history without points.
func New() *History {
	return &History{fine: newTrack(FineEvery, FineSpan), coarse: newTrack(CoarseEvery, CoarseSpan)}
}

// Add adds the state of the server as it is now. The first one only begins the history.
func (h *History) Add(s *snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	h.started = s.Started
	h.fine.add(h.seq, s)
	h.coarse.add(h.seq, s)
}

// Since returns what has come since the Page whose Next is given. It returns all that there is for 0, and for a number that cannot be
// from this process.
func (h *History) Since(next int64) Page {
	h.mu.Lock()
	defer h.mu.Unlock()
	if next > h.seq {
		next = 0
	}
	return Page{Started: h.started, Next: h.seq, Fine: h.fine.since(next), Coarse: h.coarse.since(next)}
}

// Start calls Add with what take returns, now and then every second, until Close.
func (h *History) Start(take func() *snapshot) {
	h.stop, h.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(h.done)
		ticker := time.NewTicker(FineEvery)
		defer ticker.Stop()
		for {
			h.Add(take())
			select {
			case <-h.stop:
				return
			case <-ticker.C:
			}
		}
	}()
}

// Close ends what Start began.
func (h *History) Close() {
	close(h.stop)
	<-h.done
}
