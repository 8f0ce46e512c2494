package doctest

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

const inside = "FANFARE_DOCTEST_INSIDE" // set in the namespace

// namespaced runs the calling test again in a network namespace of its own, in which the ports that documents name are free.
// It reports whether it was called in that namespace.
func namespaced(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		up(t)
		return true
	}
	pattern := "^" + t.Name() + "$"
	if only := flag.Lookup("test.run").Value.String(); strings.HasPrefix(only, t.Name()+"/") { // only some documents
		pattern = only
	}
	cmd := exec.Command(os.Args[0], "-test.run="+pattern, "-test.v", "-test.timeout=15m")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out := t.Output()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		script.Need(t, "a network namespace", "run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1): "+err.Error())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("in the namespace: %v", err)
	}
	return false
}

// up starts the loopback interface, which is down in a new namespace.
func up(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(request))); errno != 0 {
		t.Fatalf("the loopback interface cannot be started: %v", errno)
	}
}
