package deploy

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
)

// The manual page has all commands of the program, and no mistakes that man sees.
func TestManual(t *testing.T) {
	var help bytes.Buffer
	config.WriteHelp(&help, "")
	commands := regexp.MustCompile(`(?m)^  fanfare (\w+)`).FindAllStringSubmatch(help.String(), -1)
	if len(commands) < 7 {
		t.Fatal(help.String())
	}
	page := read(t, "package/fanfare.1")
	for _, c := range commands {
		if !strings.Contains(page, "\n.It Cm "+c[1]) {
			t.Errorf("the page does not have the command %s", c[1])
		}
	}
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("man is missing: apt-get install man-db")
	}
	out, err := exec.Command("man", "--warnings", "--local-file", "package/fanfare.1").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "SYNOPSIS") || strings.Contains(string(out), "warning") {
		t.Errorf("%v: %s", err, out)
	}
}
