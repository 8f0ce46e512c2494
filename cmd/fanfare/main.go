// Fanfare is a WebSocket server: it echoes, and fans messages out to the
// subscribers of topics. See -help for its flags and the start page for its
// endpoints.
//
// There is no profile for the compiler (default.pgo): it saved nothing that could be
// measured, of CPU for an echo or a delivery, and had all packages compiled once more for
// this program alone, which doubled the time until it and fanfare-load ran for the first time.
package main

import "github.com/fanfare-ws/fanfare/cmd/internal/daemon"

func main() { daemon.Main(run) }
