package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// blockScenario has a handler that blocks the only worker.
func blockScenario() scenario {
	gate := make(chan struct{})
	return scenario{name: "blocked workers", tweak: func(a *app) {
		a.server.Engine.Workers, a.server.Engine.BlockedAfter = 1, 20*time.Millisecond
		accept := a.server.AcceptAsync
		a.server.AcceptAsync = func(r *wsproto.Request, done func(error)) {
			if r.Path() != "/block" {
				accept(r, done)
				return
			}
			r.Handler = &wsproto.Funcs{Message: func(*wsproto.Conn, wsproto.Opcode, []byte) { <-gate }}
			done(nil)
		}
	}, do: func(m *mover) {
		m.is("fanfare_workers_limit", 1)
		blocks, waits := m.dial("/block"), m.dial("/echo")
		m.send(blocks, "x")
		m.moves("fanfare_workers_busy", "fanfare_workers_blocked", "fanfare_blocked_turns_total")
		m.moves("fanfare_loop_lag_seconds_count") // while there is work
		m.send(waits, "x")
		m.moves("fanfare_ready_connections", "fanfare_ready_longest_wait_seconds", `fanfare_alert{alert="FanfareWorkersBlocked"}`)
		close(gate)
		m.moves("fanfare_ready_wait_seconds_count")
	}}
}

// groupScenario has a control group of its own.
func groupScenario(t *testing.T) scenario {
	root := t.TempDir()
	group := filepath.Join(root, "sys/fs/cgroup")
	write := func(name, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(root, "proc/self/cgroup"), "0::/\n")
	write(filepath.Join(group, "memory.max"), "max")
	return scenario{name: "control group", tweak: func(a *app) { a.meter = monitor.NewMeter(root) }, do: func(m *mover) {
		write(filepath.Join(group, "memory.current"), "700")
		write(filepath.Join(group, "memory.max"), "1000")
		m.is("fanfare_cgroup_memory_bytes", 700)
		m.is("fanfare_cgroup_memory_limit_bytes", 1000)
	}}
}
