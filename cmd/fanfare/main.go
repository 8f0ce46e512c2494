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

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

func main() {
	daemon.Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		p := invocation{args, stdout, stderr, daemon.OnHangup}
		return p.run(ctx)
	})
}
