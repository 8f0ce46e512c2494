package daemon

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// gated is a writer that takes nothing until its gate is open, and fails while err is set.
type gated struct {
	netpolltest.Output
	gate  chan struct{}
	calls chan error // what each call returns
}

func (g *gated) Write(p []byte) (int, error) {
	<-g.gate
	select {
	case err := <-g.calls:
		if err != nil {
			return 0, err
		}
	default:
	}
	return g.Output.Write(p)
}

func missing(w io.Writer, lost int) { fmt.Fprintf(w, "%d missing\n", lost) }

// Lines that nobody reads wait up to a bound, in their order. The others are lost, and counted where they would be.
func TestOutputWithoutReader(t *testing.T) {
	g := &gated{gate: make(chan struct{})}
	o := NewOutput(g, 100, missing)
	const all = 1000
	for i := range all {
		fmt.Fprintf(o, "line %d\n", i)
	}
	g.gate <- struct{}{}
	if !netpolltest.Settles(30*time.Second, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.next.b) == 0
	}) {
		t.Fatal("nothing was written")
	}
	fmt.Fprintln(o, "the end")
	o.Close(time.Millisecond) // does not wait for who does not read
	close(g.gate)
	<-o.done
	next := 0
	for line := range strings.Lines(g.String()) {
		var n int
		if _, err := fmt.Sscanf(line, "line %d\n", &n); err == nil && n == next {
			next++
		} else if _, err := fmt.Sscanf(line, "%d missing\n", &n); err == nil {
			next += n
		} else if line != "the end\n" {
			t.Errorf("%q, want line %d", line, next)
		}
	}
	if text := g.String(); next != all || !strings.Contains(text, "missing\n") || !strings.HasSuffix(text, "the end\n") {
		t.Errorf("%d lines of %d are accounted for: %q", next, all, text)
	}
}

// What is refused is lost. The next line that is taken comes behind the number of those that are missing.
func TestOutputRefused(t *testing.T) {
	g := &gated{gate: make(chan struct{}), calls: make(chan error, 3)}
	o := NewOutput(g, 1<<20, missing)
	full := errors.New("the disk is full")
	for i := range 3 {
		g.calls <- full
		fmt.Fprintf(o, "line %d\nhas two\n", i)
		g.gate <- struct{}{}
		if !netpolltest.Settles(30*time.Second, func() bool { // the refusal is counted after the write
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.lost == 2*(i+1)
		}) {
			t.Fatalf("%d lines are lost after %d refusals", o.lost, i+1)
		}
	}
	g.calls <- nil
	fmt.Fprintln(o, "there is room")
	g.gate <- struct{}{}
	if !netpolltest.Settles(30*time.Second, func() bool { return strings.HasSuffix(g.String(), "room\n") }) {
		t.Fatalf("%q", g.String())
	}
	close(g.gate)
	fmt.Fprintln(o, "again")
	o.Close(30 * time.Second)
	if got := g.String(); got != "6 missing\nthere is room\nagain\n" {
		t.Errorf("%q", got)
	}
	fmt.Fprintln(o, "too late")
	if got := g.String(); strings.Contains(got, "late") {
		t.Errorf("%q", got)
	}
}

// sipping is a writer that takes so many bytes at a call and then fails, and all of them once the numbers are used up.
type sipping struct {
	netpolltest.Output
	sips []int
}

func (s *sipping) Write(p []byte) (int, error) {
	if len(s.sips) == 0 {
		return s.Output.Write(p)
	}
	n := min(s.sips[0], len(p))
	s.sips = s.sips[1:]
	_, _ = s.Output.Write(p[:n])
	return n, io.ErrShortWrite
}

// A line that was written in part is ended before the next one, whatever is refused in between.
func TestOutputTornLine(t *testing.T) {
	for _, c := range []struct {
		sips []int
		want string
	}{
		{nil, "one\ntwo\nthree\n"},
		{[]int{2}, "on\n1 missing\ntwo\nthree\n"},
		{[]int{4}, "one\ntwo\nthree\n"},         // nothing of the line is missing
		{[]int{0}, "1 missing\ntwo\nthree\n"},   // nothing of it was written
		{[]int{2, 0}, "on\n2 missing\nthree\n"}, // its end is refused, too
		{[]int{2, 1, 10}, "on\n2 missing\n"},    // written, but with an error
	} {
		s := &sipping{sips: c.sips}
		o := &Output{to: s, most: 1 << 20, tell: missing, wake: make(chan struct{}, 1)}
		for _, line := range []string{"one\n", "two\n", "three\n"} {
			fmt.Fprint(o, line)
			text := o.next
			o.next = outputText{}
			o.pass(text) // as run does
		}
		if got := s.String(); got != c.want {
			t.Errorf("%v: %q, want %q", c.sips, got, c.want)
		}
	}
}
