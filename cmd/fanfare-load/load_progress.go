package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// progress shows how far the run is: as a bar on a terminal, and otherwise as a line every few seconds.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	tty   bool
	quiet bool
}

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 5 * time.Second
	barWidth  = 30
)

func newProgress(out io.Writer, quiet bool) *progress {
	return &progress{out: out, tty: isTerminal(out), quiet: quiet}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// note prints a line.
func (p *progress) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.quiet {
		fmt.Fprintf(p.out, "note: "+format+"\n", args...)
	}
}

// during shows how done grows to total until stop is called.
func (p *progress) during(what string, total int64, done func() int64) (stop func()) {
	began, before := time.Now(), done()
	return p.show(func() string {
		n := done()
		rate := float64(n-before) / time.Since(began).Seconds()
		return fmt.Sprintf("%s %s%s of %s, %s/s", what, p.bar(float64(n)/float64(max(1, total))), comma(n), comma(total), commaRate(rate))
	})
}

// clock shows how much of the time d has passed, and the count, until stop is called.
func (p *progress) clock(what string, d time.Duration, count func() int64) (stop func()) {
	began, before := time.Now(), count()
	return p.show(func() string {
		gone := min(time.Since(began), d)
		s := fmt.Sprintf("%s %s%.0f of %v", what, p.bar(gone.Seconds()/max(d.Seconds(), 1e-9)), gone.Seconds(), d)
		if n := count() - before; n > 0 {
			s += fmt.Sprintf(", %s messages, %s/s", comma(n), commaRate(float64(n)/time.Since(began).Seconds()))
		}
		return s
	})
}

func (p *progress) bar(part float64) string {
	if !p.tty {
		return ""
	}
	full := int(max(0, min(1, part)) * barWidth)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "] "
}

func (p *progress) show(line func() string) (stop func()) {
	if p.quiet {
		return func() {}
	}
	every := lineEvery
	if p.tty {
		every = barEvery
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				p.print("")
				return
			case <-tick.C:
				p.print(line())
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

const clearLine = "\r\x1b[K"

// print prints a line. On a terminal it replaces the last line, and an empty line clears it.
func (p *progress) print(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.tty:
		fmt.Fprint(p.out, clearLine+line)
	case line != "":
		fmt.Fprintln(p.out, line)
	}
}
