package systemd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// manager listens as a service manager does.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

// next returns the lines of the next message.
func next(t *testing.T, c *net.UnixConn) []string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestMessages(t *testing.T) {
	m := manager(t)
	n := NewNotifier(discard())
	for _, c := range []struct {
		send func()
		want []string
	}{
		{func() { n.Ready("up\nREADY=0") }, []string{"READY=1", "STATUS=up READY=0"}},
		{func() { n.Stopping("bye", 2*time.Second) }, []string{"STOPPING=1", "STATUS=bye", "EXTEND_TIMEOUT_USEC=2000000"}},
		{n.Reloading, []string{"RELOADING=1", "MONOTONIC_USEC="}},
	} {
		c.send()
		got := next(t, m)
		for i, want := range c.want {
			if len(got) != len(c.want) || !strings.HasPrefix(got[i], want) || !strings.HasSuffix(want, "=") && got[i] != want {
				t.Errorf("%q, want %q", got, c.want)
				break
			}
		}
	}
}

// The time of Reloading is that of the machine's monotonic clock: systemd ignores a READY=1 that is older.
func TestReloadingGrows(t *testing.T) {
	m := manager(t)
	n := NewNotifier(discard())
	var last int64
	for range 3 {
		n.Reloading()
		_, text, _ := strings.Cut(next(t, m)[1], "=")
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil || at <= last {
			t.Errorf("%q after %d: %v", text, last, err)
		}
		last = at
	}
}

func TestWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := NewNotifier(discard())
	if n != nil {
		t.Fatal("there is a notifier without a service manager")
	}
	n.Ready("")
	n.Reloading()
	n.Stopping("", 0)
	n.Watch(t.Context(), nil, nil)
}

// The watchdog is fed as long as the server is alive. While it is not, the log says why, and it is asked again.
func TestWatch(t *testing.T) {
	m := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	var log netpolltest.Output
	n := NewNotifier(slog.New(slog.NewTextHandler(&log, nil)))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var answers = make(chan error, 3)
	answers <- nil
	answers <- errors.New("it hangs")
	answers <- nil
	go func() {
		defer close(done)
		n.Watch(ctx, func(context.Context) error {
			select {
			case err := <-answers:
				return err
			default:
				stop()
				return errors.New("the test is over")
			}
		}, func() string { return "fine" })
	}()
	<-done
	for range 2 {
		if got := next(t, m); len(got) != 2 || got[0] != "WATCHDOG=1" || got[1] != "STATUS=fine" {
			t.Errorf("%q", got)
		}
	}
	_ = m.SetReadDeadline(time.Now())
	if k, err := m.Read(make([]byte, 99)); err == nil {
		t.Errorf("a third message of %d bytes, although the server answered twice", k)
	}
	if s := log.String(); strings.Count(s, "not fed") != 1 || !strings.Contains(s, "it hangs") {
		t.Error(s)
	}
}

// Without WatchdogSec= only the status is sent, and nobody asks whether the server is alive.
func TestWatchWithoutWatchdog(t *testing.T) {
	m := manager(t)
	n := NewNotifier(discard())
	ctx, stop := context.WithCancel(t.Context())
	n.Watch(ctx, nil, func() string { stop(); return "fine" })
	if got := next(t, m); len(got) != 1 || got[0] != "STATUS=fine" {
		t.Errorf("%q", got)
	}
}

// A watchdog for another process, and one that makes no sense, are not fed.
func TestForeignWatchdog(t *testing.T) {
	manager(t)
	for _, c := range []struct{ usec, pid string }{{"20000", "1"}, {"-5", ""}, {"soon", ""}} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if n := NewNotifier(discard()); n.watchdog != 0 {
			t.Errorf("%v: %v", c, n.watchdog)
		}
	}
}

// A service manager that has gone is no reason to end.
func TestManagerGone(t *testing.T) {
	manager(t).Close()
	var log netpolltest.Output
	NewNotifier(slog.New(slog.NewTextHandler(&log, nil))).Ready("up")
	if !strings.Contains(log.String(), "READY=1") {
		t.Error(log.String())
	}
}
