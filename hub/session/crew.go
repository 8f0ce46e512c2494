package session

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// crew is a bounded number of goroutines that do what is asked outside of a connection's
// turn. Connections that find none free wait, and have their turn one after the other.
type crew struct {
	most int // always; 0: they are for what goes on after the program has answered

	mu      sync.Mutex
	running int
	waiting []*session
}

// maxGoingOn is how many goroutines go on with what the program has answered, if
// Options.Background is 0. They do not block unless a hook does.
const maxGoingOn = 64

func (c *crew) add(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.most
	if most == 0 {
		most = maxGoingOn
	}
	if c.running == most {
		c.waiting = append(c.waiting, s)
		return
	}
	c.running++
	go c.run(s)
}

func (c *crew) run(s *session) {
	for s != nil {
		s.driveSafely()
		s = c.next()
	}
}

func (c *crew) next() (s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running--
		c.waiting = nil
		return nil
	}
	s = c.waiting[0]
	c.waiting[0] = nil
	c.waiting = c.waiting[1:]
	return s
}

// driveSafely does not let a panic of the program's end the process.
func (s *session) driveSafely() {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a hook of package session has failed", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			s.conn.Close(wsproto.InternalError, "the handler failed")
		}
	}()
	s.replying.Lock()
	s.drive()
	s.replying.Unlock()
}
