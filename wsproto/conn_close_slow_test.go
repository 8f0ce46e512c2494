package wsproto

import (
	"io"
	"testing"
	"time"
)

// TestCloseAfterQueue closes a connection whose peer takes its time for what was sent
// before: it gets all of it, and then the close frame. One that takes nothing is not
// waited for.
func TestCloseAfterQueue(t *testing.T) {
	const messages, size, timeout = 16, 128 << 10, 500 * time.Millisecond
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) {
		for range messages {
			if o := c.SendBinary([]byte(letters(size))); !o.OK() {
				t.Error(o)
			}
		}
		c.Close(GoingAway, "bye")
	}})
	addr := listen(t, &Server{Handler: h, CloseTimeout: timeout, Engine: brisk})
	for _, takes := range []bool{true, false} {
		p := dialTCP(t, addr)
		_ = p.nc.SetReadBuffer(16 << 10)
		p.send(goodRequest("/"))
		p.response(101)
		if !takes {
			if err := next(t, ended); err.Code != GoingAway {
				t.Error(err)
			}
			continue
		}
		begin, all := time.Now(), messages*(size+10)
		slow := &slowReader{p.br, 32 << 10, 40 * time.Millisecond}
		for range messages {
			if b0, b, err := readFrame(slow); err != nil || b0 != 0x82 || len(b) != size {
				t.Fatalf("after %v: frame %#x of %d bytes, %v", time.Since(begin), b0, len(b), err)
			}
		}
		if d := time.Since(begin); d < 2*timeout {
			t.Errorf("%d bytes took only %v", all, d)
		}
		p.expectClose(GoingAway, "bye")
		p.send(closing(GoingAway, ""))
		p.nc.Close()
		next(t, ended)
	}
}

// slowReader reads so much at most, and waits so long before.
type slowReader struct {
	io.Reader
	most  int
	pause time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	return r.Reader.Read(p[:min(len(p), r.most)])
}
