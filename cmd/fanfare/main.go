// Fanfare is a WebSocket server that echoes messages and fans them out to the subscribers of topics. Its -help lists
// flags and endpoints.
//
// The program has no profile for the compiler (default.pgo). A profile saved no measurable CPU time per echo or delivery,
// and it made the go command compile every package a second time for this program, which doubled the time until fanfare
// and fanfare-load ran for the first time.
package main

import (
	"context"
	"io"
	"log/slog"
	"runtime"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

func main() {
	profileMemory := suspendMemoryProfile()
	daemon.Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		p := invocation{args, stdout, stderr, daemon.OnHangup, slog.SetDefault, profileMemory}
		return p.run(ctx)
	})
}

// suspendMemoryProfile stops the runtime from recording allocations until resume is called: the tables for that take some 400 KiB,
// which only the profiles of the listener of operators show. It must be called once, before anything else.
func suspendMemoryProfile() (resume func()) {
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 0
	return func() { runtime.MemProfileRate = rate }
}
