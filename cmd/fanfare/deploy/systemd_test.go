package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// units writes the unit files into a directory, with a program that exists.
func units(t *testing.T) (service, socket string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"fanfare.service", "fanfare.socket"} {
		text := strings.ReplaceAll(read(t, "systemd/"+name), "/usr/bin/fanfare", "/bin/true")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "fanfare.service"), filepath.Join(dir, "fanfare.socket")
}

func needSystemd(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		script.Need(t, "systemd-analyze", "apt-get install systemd")
	}
}

// systemd finds no mistake in the units.
func TestUnitsAreValid(t *testing.T) {
	needSystemd(t)
	service, socket := units(t)
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", service, socket).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// The drop-in in docs/deployment.md goes with the units.
func TestDocumentedDropIn(t *testing.T) {
	needSystemd(t)
	text := documented(t, "ini", "# fanfare.socket.d/ports.conf")
	service, socket := units(t)
	writeFile(t, filepath.Join(mkdir(t, socket+".d"), "ports.conf"), text)
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", service, socket).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	writeFile(t, filepath.Join(socket+".d", "ports.conf"), text+"NoSuchSetting=1\n")
	if out, _ := exec.Command("systemd-analyze", "verify", "--man=no", service, socket).CombinedOutput(); !strings.Contains(string(out), "NoSuchSetting") {
		t.Errorf("the drop-in is not read: %s", out)
	}
}

func mkdir(t *testing.T, name string) string {
	t.Helper()
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// The service may do little: by the measure of systemd-analyze, on which 10 is the worst.
func TestServiceIsHardened(t *testing.T) {
	needSystemd(t)
	service, _ := units(t)
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", service).CombinedOutput()
	if err != nil && strings.Contains(string(out), "unrecognized option") {
		t.Skip("systemd is older than version 250")
	}
	m := regexp.MustCompile(`Overall exposure level for fanfare.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("%v: %s", err, out)
	}
	if exposure, _ := strconv.ParseFloat(string(m[1]), 64); exposure > 2 {
		t.Errorf("the exposure is %v, more than 2:\n%s", exposure, out)
	}
}

// systemd waits for longer than the phases of the shutdown take.
func TestServiceWaitsForTheEnd(t *testing.T) {
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\w+)$`).FindStringSubmatch(read(t, "systemd/fanfare.service"))
	if m == nil {
		t.Fatal("no TimeoutStopSec=")
	}
	timeout, err := time.ParseDuration(m[1])
	s := settings(t, []string{"-shutdown-grace", "10s", "-shutdown-window", "2m"}, nil).Config.Shutdown
	if err != nil || timeout < s.Grace+s.Window+s.Drain {
		t.Errorf("TimeoutStopSec=%s is less than %v (%v)", m[1], s.Grace+s.Window+s.Drain, err)
	}
}
