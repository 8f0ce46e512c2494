package daemon

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The limit belongs to the process, so each case runs in a process of its own.
func TestRaiseFileLimit(t *testing.T) {
	if os.Getenv("FILE_LIMIT_CHILD") != "" {
		files, err := RaiseFileLimit()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("room for %d of %d", Room(files), files)
		return
	}
	for limits, says := range map[string]string{
		"-n 32": "is 32, which leaves no room", "-n 255": "at least 256", "-n 256": "room for 128 of 256", "-S -n 64; ulimit -H -n 300": "room for 172 of 300",
	} {
		c := exec.Command("bash", "-c", "ulimit "+limits+`; exec "$0" -test.run '^TestRaiseFileLimit$' -test.v`, os.Args[0])
		c.Env = append(os.Environ(), "FILE_LIMIT_CHILD=1")
		if out, err := c.CombinedOutput(); !strings.Contains(string(out), says) || (err == nil) != strings.HasPrefix(says, "room") {
			t.Errorf("%s: %v, want %q: %s", limits, err, says, out)
		}
	}
}
