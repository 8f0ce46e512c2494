//go:build linux

package netpoll

import (
	"os/exec"
	"strings"
	"testing"
)

// TestChildInheritsNothing has another program list its descriptors.
func TestChildInheritsNothing(t *testing.T) {
	e := newEngine(t, Options{Loops: 3})
	ln, err := e.Listen("127.0.0.1:0", func() Handler { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, kind := range []string{"eventpoll", "eventfd"} {
		if strings.Contains(string(out), kind) {
			t.Errorf("a child has a descriptor of the kind %s:\n%s", kind, out)
		}
	}
}
