package deploy

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// boot installs the deb in a container with a systemd of its own, and uses the service there.
func boot(t *testing.T, deb string) {
	if os.Geteuid() != 0 {
		t.Skip("only root can boot a container")
	}
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		script.Need(t, "systemd-nspawn", "apt-get install systemd-container")
	}
	dir := t.TempDir()
	build(t, filepath.Join(dir, "fanfare-load"), "fanfare-load")
	copyFile(t, deb, filepath.Join(dir, "fanfare.deb"))
	copyFile(t, "testdata/inside.sh", filepath.Join(dir, "inside.sh"))
	c := exec.CommandContext(t.Context(), "bash", "testdata/boot.sh", dir)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if c.ProcessState == nil || c.ProcessState.ExitCode() == 77 { // it has no right to a namespace or to mount
		t.Skipf("no container can be booted here: %v %s", err, out.String())
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	result := read(t, filepath.Join(dir, "result"))
	checks := regexp.MustCompile(`(?m)^check (\w+)`).FindAllStringSubmatch(read(t, "testdata/inside.sh"), -1)
	if len(checks) < 20 {
		t.Fatalf("%d checks", len(checks))
	}
	for _, m := range checks {
		if !strings.Contains(result, "ok "+m[1]+"\n") {
			t.Errorf("%s", m[1])
		}
	}
	t.Log(result)
	if t.Failed() {
		t.Log(read(t, filepath.Join(dir, "errors")))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	r, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.Create(to)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o755); err != nil {
		t.Fatal(err)
	}
}
