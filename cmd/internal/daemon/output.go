package daemon

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// Output passes lines on to a writer that may block or fail: a pipe that nobody reads, or a file on a full disk. Whoever writes
// to it never waits and gets no error. What the writer does not take in time waits, up to a bound; further lines are lost,
// and so is what the writer refuses. The next line comes behind one that says how many are missing.
//
// Write may be called from any goroutine. Each call should write whole lines.
type Output struct {
	to   io.Writer
	tell func(w io.Writer, lost int)
	most int
	done chan struct{}
	wake chan struct{}
	torn bool // of run: what was written last is a part of a line

	mu     sync.Mutex
	next   outputText // that waits
	lost   int        // lines that were lost, and of which no line in next tells
	closed bool
}

// outputText is text with lines that tell of others that are lost.
type outputText struct {
	b          []byte
	told, lost int // lines that tell, and of how many
}

// NewOutput returns an Output that has a goroutine until Close. At most so many bytes wait. tell writes the line about the
// lines that were lost, if it is not nil; it must not write to the Output.
func NewOutput(to io.Writer, most int, tell func(w io.Writer, lost int)) *Output {
	o := &Output{to: to, tell: tell, most: most, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go o.run()
	return o
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.next.b)+len(p) > o.most {
		o.lost += lines(p)
		return len(p), nil
	}
	if o.lost > 0 && o.tell != nil {
		b := bytes.NewBuffer(o.next.b)
		o.tell(b, o.lost)
		o.next = outputText{b.Bytes(), o.next.told + 1, o.next.lost + o.lost}
	}
	o.lost = 0
	o.next.b = append(o.next.b, p...)
	o.wakeLocked()
	return len(p), nil
}

func (o *Output) wakeLocked() {
	select {
	case o.wake <- struct{}{}:
	default: // it is about to look
	}
}

// Close ends the Output when all has been passed on, but waits no longer than that. What is written later is lost.
func (o *Output) Close(wait time.Duration) {
	o.mu.Lock()
	o.closed = true
	o.wakeLocked()
	o.mu.Unlock()
	select {
	case <-o.done:
	case <-time.After(wait):
	}
}

func (o *Output) run() {
	defer close(o.done)
	var spare []byte
	for range o.wake {
		o.mu.Lock()
		text, closed := o.next, o.closed
		o.next = outputText{b: spare[:0]}
		o.mu.Unlock()
		o.pass(text)
		if spare = text.b; cap(spare) > 64<<10 {
			spare = nil
		}
		if closed {
			return
		}
	}
}

// pass writes text. Of a line that is written in part its reader gets no more, and the next one begins on a line of its own.
func (o *Output) pass(text outputText) {
	if len(text.b) == 0 {
		return
	}
	n, err := 0, o.mend()
	if err == nil {
		n, err = o.to.Write(text.b)
	}
	if n = min(max(n, 0), len(text.b)); n > 0 {
		o.torn = text.b[n-1] != '\n'
	}
	if err == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost += lines(text.b[n:])
	if n == 0 {
		o.lost += text.lost - text.told
	}
}

// mend ends a line that was written in part.
func (o *Output) mend() error {
	if !o.torn {
		return nil
	}
	n, err := o.to.Write([]byte{'\n'})
	o.torn = n <= 0
	return err
}

func lines(p []byte) int { return bytes.Count(p, []byte{'\n'}) }
