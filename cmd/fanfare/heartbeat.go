package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// heartbeat finds out whether the loops work: each runs a task among the turns of its connections.
type heartbeat struct {
	tasks []*wsproto.Task
	asked atomic.Int64
	beats []atomic.Int64 // of each loop: the question that it has answered last
	beat  chan struct{}  // has a token when there was an answer
}

// newHeartbeat is for a server that has begun to listen.
func newHeartbeat(s *wsproto.Server) (*heartbeat, error) {
	h := &heartbeat{beats: make([]atomic.Int64, s.Loops()), beat: make(chan struct{}, 1)}
	for i := range h.beats {
		task, err := s.NewTask(i, func() { h.answer(i) })
		if err != nil {
			return nil, err
		}
		h.tasks = append(h.tasks, task)
	}
	return h, nil
}

func (h *heartbeat) answer(loop int) {
	h.beats[loop].Store(h.asked.Load())
	select {
	case h.beat <- struct{}{}:
	default: // alive looks at all loops for each token
	}
}

// alive returns nil when all loops have answered, and an error if ctx is done before. One goroutine may call it at a time.
func (h *heartbeat) alive(ctx context.Context) error {
	question := h.asked.Add(1)
	for _, t := range h.tasks {
		t.Schedule()
	}
	for {
		silent := 0
		for i := range h.beats {
			if h.beats[i].Load() < question {
				silent++
			}
		}
		if silent == 0 {
			return nil
		}
		select {
		case <-h.beat:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d loops run no task: all workers are busy, or the loops hang", silent, len(h.beats))
		}
	}
}
