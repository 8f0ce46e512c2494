//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// Runs are exclusive, and one begins after each Schedule.
func TestTask(t *testing.T) {
	const goroutines, rounds = 16, 200
	e := newEngine(t, Options{})
	var begun, inside atomic.Int64
	task := e.NewTask(3, func() {
		if inside.Add(1) != 1 {
			t.Error("a task runs beside itself")
		}
		begun.Add(1)
		inside.Add(-1)
	})
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range rounds {
				before := begun.Load()
				task.Schedule()
				if i%10 == 0 { // else it is scheduled while it is due already
					eventually(t, "a run", func() bool { return begun.Load() > before })
				}
			}
		})
	}
	wg.Wait()
}

// A task that is scheduled during its run runs again.
func TestTaskSchedulesItself(t *testing.T) {
	e := newEngine(t, Options{})
	done := make(chan struct{})
	var task *Task
	n := 0
	task = e.NewTask(0, func() {
		if n++; n == 1000 {
			close(done)
			return
		}
		task.Schedule()
	})
	task.Schedule()
	receive(t, "the last run", done)
}

func TestTaskPanics(t *testing.T) {
	lg := newLogs()
	e := newEngine(t, Options{Logger: newLogger(lg)})
	runs := make(chan int, 2)
	n := 0
	task := e.NewTask(0, func() {
		n++
		runs <- n
		if n == 1 {
			panic("boom")
		}
	})
	task.Schedule()
	receive(t, "the run that panics", runs)
	task.Schedule()
	receive(t, "the next run", runs)
	if lg.count("handler panicked") != 1 {
		t.Error("the panic was not logged")
	}
}

// A task that blocks does not hold up connections.
func TestTaskBlocks(t *testing.T) {
	release := newGate(t)
	s := serve(t, Options{}, echoing)
	for i := range s.Loops() {
		task := s.NewTask(i, release.wait)
		task.Schedule()
		task.Schedule() // waits for the first
	}
	buf := make([]byte, 16)
	if err := roundTrip(dial(t, s.addr), []byte("hello"), buf); err != nil {
		t.Error(err)
	}
	release.open() // before the engine is shut down
}

// room is a struct that is its own task.
type room struct {
	task Task
	runs chan *room
}

func (r *room) Run() { r.runs <- r }

// A Task in its Runner costs 32 bytes there, and no allocation.
func TestTaskByValue(t *testing.T) {
	if size := unsafe.Sizeof(Task{}); size > 32 {
		t.Errorf("a Task has %d bytes, more than 32", size)
	}
	e := newEngine(t, Options{})
	rooms := make([]room, 4)
	runs := make(chan *room, 1)
	n := testing.AllocsPerRun(100, func() {
		for i := range rooms {
			r := &rooms[i]
			*r = room{runs: runs}
			r.task.Init(e, i, r)
		}
	})
	if n != 0 && !raceEnabled {
		t.Errorf("%v allocations for %d tasks", n, len(rooms))
	}
	for i := range rooms {
		rooms[i].task.Schedule()
		if r := receive(t, "the run", runs); r != &rooms[i] {
			t.Errorf("another than task %d has run", i)
		}
	}
	checkAllocations(t, 3000, func() {
		rooms[0].task.Schedule()
		<-runs
	})
}
