package wsproto

import (
	"fmt"
	"strings"
	"testing"
)

// A connection that the handler holds is given nothing, not even the rest of what was read
// with the message, whatever kind of message that is, until it is resumed.
func TestHold(t *testing.T) {
	for name, size := range map[string]int{"small": 1, "large": 5000, "several reads": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 10)
			conns := make(chan *Conn, 1)
			addr := listen(t, &Server{Handler: &Funcs{
				Open: func(c *Conn, _ *Request) { c.Hold(); conns <- c },
				Message: func(c *Conn, _ Opcode, p []byte) {
					c.Hold()
					got <- string(p[:1])
				},
			}})
			p := dialPeer(t, addr)
			var all strings.Builder
			for i := range 3 {
				all.WriteString(text(strings.Repeat(fmt.Sprint(i), size)))
			}
			p.send(all.String())
			c := next(t, conns)
			for i := range 3 {
				if len(got) != 0 {
					t.Fatalf("%q came while it was held", <-got)
				}
				c.Resume()
				if s := next(t, got); s != fmt.Sprint(i) {
					t.Errorf("%q, want %d", s, i)
				}
			}
			c.Resume()
			c.Resume() // has no effect
		})
	}
}

// A connection that is closed while it is held ends, with the peer's answer.
func TestCloseWhileHeld(t *testing.T) {
	h, ended := closes(&Funcs{Message: func(c *Conn, _ Opcode, p []byte) {
		if string(p) == "hold" {
			c.Hold()
			go c.Close(NormalClosure, "")
			return
		}
		t.Errorf("%q after Close", p)
	}})
	p := dialPeer(t, listen(t, &Server{Handler: h, CloseTimeout: patience}))
	p.send(text("hold") + text("dropped"))
	p.expectClose(NormalClosure)
	p.send(closing(NormalClosure, ""))
	p.expectEOF()
	p.nc.Close()
	if err := next(t, ended); err.Code != NormalClosure || err.Err != nil {
		t.Errorf("%+v", err)
	}
}
