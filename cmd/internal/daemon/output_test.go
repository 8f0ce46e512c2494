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
