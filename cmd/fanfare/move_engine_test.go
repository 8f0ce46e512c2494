package main

import (
	"time"

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
