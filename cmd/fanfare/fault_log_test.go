package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// logSink is where stdout and stderr of a server go. Its file is what the server writes to.
type logSink struct {
	file *os.File
	// recovers makes it work again, and returns a function for what has been written so far; nil if that cannot be.
	recovers func(t *testing.T) (text func() string)
}

// logSinks are the faults that a log can have. To skip one, the function skips the test.
var logSinks = map[string]func(t *testing.T) logSink{
	"a full device":                fullDevice,
	"a full disk":                  fullDisk,
	"a pipe that nobody reads":     unreadPipe,
	"a pipe whose reader has gone": brokenPipe,
}

func fullDevice(t *testing.T) logSink {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	return logSink{file: f}
}

// fullDisk is a file on a file system of 64 KiB, which another file fills.
func fullDisk(t *testing.T) logSink {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		script.Need(t, "the right to mount a file system", "Run this test as root.")
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	name, fill := filepath.Join(dir, "log"), filepath.Join(dir, "fill")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		err = os.WriteFile(fill, make([]byte, 64<<10), 0o600)
	}
	if err != nil && !strings.Contains(err.Error(), "no space left") {
		t.Fatal(err)
	}
	return logSink{f, func(t *testing.T) func() string {
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		return func() string {
			text, _ := os.ReadFile(name)
			return string(text)
		}
	}}
}

func unreadPipe(t *testing.T) logSink {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	_ = w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = w.Write(make([]byte, 1<<20)) // as much as it takes
	return logSink{w, func(*testing.T) func() string {
		var text netpolltest.Output
		go func() { _, _ = io.Copy(&text, r) }()
		return text.String
	}}
}

func brokenPipe(t *testing.T) logSink {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return logSink{file: w}
}

// startInto starts a server whose stdout and stderr are that file.
func startInto(t *testing.T, file *os.File) *patient {
	t.Helper()
	p := &program{t: t, addr: newSite(t, nil).addr}
	admin := newSite(t, nil).addr
	c := &child{p, exec.Command(os.Args[0], "-addr", p.addr, "-admin", admin, "-verbose", "-shutdown-grace", "0s", "-shutdown-window", "100ms")}
	c.cmd.Env = append(os.Environ(), asProgram+"=1")
	c.cmd.Stdout, c.cmd.Stderr = file, file
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	c.eventually("it serves", func() bool {
		nc, err := net.Dial("tcp", admin)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	fmt.Fprintf(&p.stdout, "Operators connect to %s\n", admin)
	return examined(c)
}

// Nobody takes what the server logs, and that is much. It starts, serves, and ends as if nothing was. When the log works again
// it says how many lines are missing.
func TestLogThatFails(t *testing.T) {
	for name, open := range logSinks {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			sink := open(t)
			p := startInto(t, sink.file)
			refused := func() {
				c := storms(t, sized(1000, 500), []string{p.addr}, "/topics/a..b")
				if n := c.refused["HTTP/1.1 400 Bad Request"]; n != len(c.conns) {
					t.Fatalf("%d of %d were refused: %v", n, len(c.conns), c.refused)
				}
				c.reset()
			}
			for range 10 {
				refused()
			}
			p.recovers(name, slack{fds: 4, goroutines: 20, heapKiB: 3 << 10, rssKiB: 16 << 10})
			if sink.recovers != nil {
				text := sink.recovers(t)
				p.eventually("the log says that lines are missing", func() bool {
					refused()
					return strings.Contains(text(), "lines of the log are missing here")
				})
			}
			p.signal(syscall.SIGTERM)
			if how := p.ends(); how.ExitStatus() != 0 {
				t.Errorf("it ends with %v", how)
			}
		})
	}
}
