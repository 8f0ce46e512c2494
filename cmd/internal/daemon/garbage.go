package daemon

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage may pile up over what lives, in percent. A server
// at work allocates almost nothing, and idle connections shall not pay for the
// garbage of their handshakes, so it is less than Go's 100; GOGC overrides it.
const gcPercent = 20

// CollectOften has garbage collected earlier than is usual, until restore is called.
func CollectOften() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(gcPercent)
	return func() { debug.SetGCPercent(before) }
}
