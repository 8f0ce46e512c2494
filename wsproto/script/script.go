// Package script runs JavaScript for tests, in Node and in Chromium.
package script

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// Engine is somewhere that JavaScript runs. Eval returns the value of a script, which is
// that of its last expression, or what the promise that it is resolves to. What scripts
// put on globalThis stays.
type Engine interface {
	Eval(script string) (json.RawMessage, error)
}

// patience is for a script to come to its end.
const patience = 60 * time.Second

// Required reports whether a test that misses something fails, as in CI.
func Required() bool { return os.Getenv("FANFARE_REQUIRE") != "" }

// Need skips the test, with what to install for it, unless FANFARE_REQUIRE is set, as
// in CI: then it fails.
func Need(t testing.TB, what, install string) {
	t.Helper()
	if Required() {
		t.Fatalf("%s is missing, and FANFARE_REQUIRE is set: %s", what, install)
	}
	t.Skipf("%s is missing: %s", what, install)
}
