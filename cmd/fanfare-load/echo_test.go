package main

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// bothEchoes runs a test with two servers.
func bothEchoes(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("wsproto", func(t *testing.T) {
		checkLeaks(t)
		f(t, ourEcho(t))
	})
	t.Run("coder", func(t *testing.T) {
		checkLeaks(t)
		f(t, theirEcho(t, nil))
	})
}

func TestEchoCount(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		for _, c := range []struct {
			n, pipeline, size, count string
			text                     bool
		}{
			{"1", "1", "1", "50", false},
			{"7", "1", "128", "1000", false},
			{"5", "16", "20", "1003", true},
			{"2", "4", "100000", "20", false},
			{"9", "1", "128", "3", false}, // fewer than connections
		} {
			r := runProgram(t, "echo", "-json", "-q", "-n", c.n, "-pipeline", c.pipeline, "-size", c.size,
				"-count", c.count, "-text="+strconv.FormatBool(c.text), url)
			r.wantOK(t)
			count, _ := strconv.ParseInt(c.count, 10, 64)
			m := r.report.Messages
			want(t, "sent", m.Sent, count)
			want(t, "received", m.Received, count)
			if m.Latency == nil || m.Latency.P50 <= 0 || m.Latency.Max < m.Latency.P50 || m.PerSecond <= 0 {
				t.Errorf("latency %+v, %v per second", m.Latency, m.PerSecond)
			}
		}
	})
}

func TestEchoDuration(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		r := runProgram(t, "echo", "-json", "-q", "-n", "10", "-duration", "100ms", "-pid", self, url)
		r.wantOK(t)
		m := r.report.Messages
		if m.Received < 10 || m.Received != m.Sent || m.Seconds < 0.09 {
			t.Errorf("%+v", m)
		}
		if m.ServerMicros == nil || m.ServerCPU == nil {
			t.Errorf("no processor time of the server: %+v", m)
		}
		want(t, "stages of memory", len(r.report.Memory), 3)
	})
}

func TestEchoRate(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		r := runProgram(t, "echo", "-json", "-q", "-n", "3", "-rate", "2000", "-duration", "150ms", url)
		r.wantOK(t)
		want(t, "messages at 2,000 per second in 0.15 s", r.report.Messages.Received, 300)
		// The last is due after 149.5 ms; less means that the rate was not kept.
		if s := r.report.Messages.Seconds; s < 0.149 {
			t.Errorf("took %v s, too short", s)
		}
	})
}

// TestEchoCoordinatedOmission has a server that stops once, for a fifth of the run. Of 1,000 messages, 200 are due in that
// time and wait for its end, so their latencies are spread evenly up to 200 ms. A client that counts from the time of
// sending would see only one of them.
func TestEchoCoordinatedOmission(t *testing.T) {
	checkLeaks(t)
	const stall = 200 * time.Millisecond
	url := theirEcho(t, func(n int, p []byte) [][]byte {
		if n == 400 {
			time.Sleep(stall)
		}
		return [][]byte{p}
	})
	r := runProgram(t, "echo", "-json", "-q", "-n", "1", "-rate", "1000", "-count", "1000", url)
	r.wantOK(t)
	l := r.report.Messages.Latency
	if longest := float64(stall.Microseconds()); l.Max < longest {
		t.Errorf("max %v µs, want the stall of %v at least", l.Max, longest)
	}
	if l.P90 < 50_000 { // 100 ms if nothing else is slow
		t.Errorf("90 %% of latencies are within %v µs: messages that waited are not counted", l.P90)
	}
	// In a closed loop the same stall hits one message of 1,000.
	r = runProgram(t, "echo", "-json", "-q", "-n", "1", "-count", "1000", url)
	r.wantOK(t)
	if p := r.report.Messages.Latency.P90; p >= float64(stall.Microseconds()) {
		t.Errorf("closed loop: 90 %% within %v µs, want fewer messages that wait", p)
	}
}

// TestEchoNotices has servers with one fault each, once on each of 3 connections.
func TestEchoNotices(t *testing.T) {
	var held []byte
	for _, c := range []struct {
		name    string
		tamper  func(n int, p []byte) [][]byte
		kind    string
		missing int64
		instead int64 // of those that came, something else
	}{
		{"drop", func(n int, p []byte) [][]byte {
			if n == 10 {
				return nil
			}
			return [][]byte{p}
		}, "not echoed", 1, 0},
		{"duplicate", func(n int, p []byte) [][]byte {
			if n == 10 {
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}, "duplicated", 0, 0},
		{"reorder", func(n int, p []byte) [][]byte {
			switch n {
			case 10:
				held = slices.Clone(p)
				return nil
			case 11:
				return [][]byte{p, held}
			}
			return [][]byte{p}
		}, "out of order", 0, 0},
		{"alter", func(n int, p []byte) [][]byte {
			if n == 10 {
				p[len(p)-1] ^= 1
			}
			return [][]byte{p}
		}, "wrong content", 0, 1},
		{"shorten", func(n int, p []byte) [][]byte {
			if n == 10 {
				p = p[1:]
			}
			return [][]byte{p}
		}, "wrong content", 0, 1},
		{"invent", func(n int, p []byte) [][]byte {
			if n == 29 {
				return [][]byte{p, bytes.Repeat([]byte{'x'}, len(p))}
			}
			return [][]byte{p}
		}, "wrong content", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkLeaks(t)
			r := runProgram(t, "echo", "-json", "-q", "-n", "1", "-pipeline", "4", "-count", "30", "-drain", "1s", theirEcho(t, c.tamper))
			f := r.wantFault(t, c.kind, 1)
			want(t, "kinds of faults", len(r.report.Faults), 1)
			want(t, "missing", r.report.Messages.Missing, c.missing)
			want(t, "received", r.report.Messages.Received, 30-c.missing-c.instead)
			if c.missing == 0 && f.Example == "" {
				t.Error("no example")
			}
		})
	}
}

// TestNoEcho has servers that answer with something else than the message.
func TestNoEcho(t *testing.T) {
	binary := func(c *wsproto.Conn, _ wsproto.Opcode, p []byte) { c.Send(wsproto.Binary, p) }
	for _, c := range []struct {
		name    string
		args    string
		message func(c *wsproto.Conn, op wsproto.Opcode, p []byte)
		count   int64
	}{
		{"another type, few", "-n 2 -count 6", binary, 6},
		{"another type, many", "-n 1 -count 1000", binary, maxStrange},
		{"idle", "-n 3 -rest 0s -hold 0s -echo", binary, 3},
		{"a page", "-n 1 -duration 1m", func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.SendText("<html>\n<h1>") }, maxStrange},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkLeaks(t)
			command := "echo"
			if c.name == "idle" {
				command = "idle"
			}
			url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{Message: c.message}})
			args := append([]string{command, "-q", "-text", url}, strings.Fields(c.args)...)
			r := runProgram(t, append(args, "-json")...)
			f := r.wantFault(t, "no echo", c.count)
			want(t, "kinds of faults", len(r.report.Faults), 1)
			want(t, "lines in the example", strings.Count(f.Example, "\n"), 0)
			want(t, "wrong", r.report.Messages.Wrong, c.count)
			want(t, "received", r.report.Messages.Received, 0)
			want(t, "missing", r.report.Messages.Missing, 0)
			if r.report.Messages.Latency != nil || r.report.Messages.PerSecond != 0 {
				t.Errorf("nothing was echoed, at %+v", r.report.Messages)
			}
			r = runProgram(t, args...)
			for _, success := range []string{"per second, ", "latency", "echoed per second", "CPU"} {
				if strings.Contains(r.stdout, success) {
					t.Errorf("it says %q of what was no echo:\n%s", success, r.stdout)
				}
			}
		})
	}
}

// TestNoEchoTopic has a server that sends each message to all other connections.
func TestNoEchoTopic(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "echo", "-json", "-q", "-n", "20", "-duration", "1m", theirBroadcast(t, nil))
	if len(r.report.Faults) != 1 || r.report.Faults[0].Kind != "no echo" {
		t.Fatalf("faults %+v", r.report.Faults)
	}
	f := r.report.Faults[0]
	if !strings.Contains(f.Example, "of connection") || !strings.Contains(f.Hint, "fanfare-load broadcast") {
		t.Errorf("it does not say that this is a topic: %+v", f)
	}
	want(t, "status", r.status, exitFault)
	want(t, "received", r.report.Messages.Received, 0)
	want(t, "lost", r.report.Connections.Lost, 0)
}

// TestNoEchoSilent has a server that reads everything and sends nothing.
func TestNoEchoSilent(t *testing.T) {
	checkLeaks(t)
	url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{}})
	r := runProgram(t, "echo", "-json", "-q", "-n", "3", "-count", "3", "-drain", "100ms", url)
	f := r.wantFault(t, "not echoed", 3)
	want(t, "hint of the path", strings.Contains(f.Hint, "check that this path echoes"), true)
}

// TestLateGreeting has a server whose greeting comes with the first echo. That is a fault, but the server does echo.
func TestLateGreeting(t *testing.T) {
	checkLeaks(t)
	url := theirEcho(t, func(n int, p []byte) [][]byte {
		if n == 0 {
			return [][]byte{[]byte("welcome"), p}
		}
		return [][]byte{p}
	})
	r := runProgram(t, "echo", "-json", "-q", "-n", "4", "-pipeline", "2", "-count", "400", url)
	want(t, "missing", r.report.Messages.Missing, 0)
	for _, f := range r.report.Faults {
		if f.Kind == "no echo" {
			t.Errorf("%+v", f)
		}
	}
	r.wantFault(t, "wrong content", 4)
	want(t, "wrong", r.report.Messages.Wrong, 4)
}

// TestEchoGreeting has a server that sends a message first.
func TestEchoGreeting(t *testing.T) {
	checkLeaks(t)
	url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{
		Open:    func(c *wsproto.Conn, _ *wsproto.Request) { c.SendText("welcome") },
		Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) },
	}})
	r := runProgram(t, "idle", "-json", "-q", "-n", "4", "-hold", "20ms", url)
	r.wantOK(t)
}

// TestEchoServerGone has a server that ends every connection during the run.
func TestEchoServerGone(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		end        func(*websocket.Conn)
	}{
		{"with 1012", "closed by the server with 1012", func(c *websocket.Conn) { c.Close(1012, "restart") }},
		{"without", "ended by the server without a close frame", func(c *websocket.Conn) { c.CloseNow() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkLeaks(t)
			url := theirs(t, func(ctx context.Context, _ *http.Request, ws *websocket.Conn) {
				for range 5 {
					op, p, err := ws.Read(ctx)
					if err != nil || ws.Write(ctx, op, p) != nil {
						return
					}
				}
				c.end(ws)
			})
			// The run must end when the last connection ends, not after its duration.
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r := runContext(ctx, t, "echo", "-json", "-q", "-n", "3", "-duration", "1h", url)
			want(t, "interrupted", r.report.Interrupted, false)
			r.wantFault(t, c.kind, 3)
			want(t, "received", r.report.Messages.Received, 15)
			want(t, "lost connections", r.report.Connections.Lost, 3)
		})
	}
}

// TestInterrupt ends a run after its first messages, as SIGINT does.
func TestInterrupt(t *testing.T) {
	for _, args := range [][]string{
		{"echo", "-duration", "1m"},
		{"echo", "-rate", "100", "-duration", "1m"},
		{"echo", "-count", "1000000000"},
		{"idle", "-echo", "-rest", "1m", "-hold", "0s"},
	} {
		t.Run(args[0]+args[1], func(t *testing.T) {
			checkLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var seen atomic.Int64
			url := theirEcho(t, func(_ int, p []byte) [][]byte {
				if seen.Add(1) == 8 {
					cancel()
				}
				return [][]byte{p}
			})
			r := runContext(ctx, t, append(args, "-json", "-q", "-n", "8", url)...)
			want(t, "status", r.status, exitFault)
			want(t, "interrupted", r.report.Interrupted, true)
			want(t, "faults", len(r.report.Faults), 0)
			if m := r.report.Messages; m == nil || m.Sent < 8 || m.Missing != 0 {
				t.Errorf("messages %+v", m)
			}
		})
	}
}
