//go:build linux

package netpolltest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Link is a network namespace with a link to the one of the process, which can be cut: from then on its sockets neither send
// nor answer anything, as when a cable is pulled somewhere on the way.
type Link struct {
	t    testing.TB
	name string
	// Near is the IP address of the process, Far that of the namespace.
	Near, Far string
}

var links atomic.Int32

// NewLink makes a namespace, which ends with the test. It skips the test if the process is not root, or may not make one; and
// if the program ip is missing, unless FANFARE_REQUIRE is set.
func NewLink(t testing.TB) *Link {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root: run this test as root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		if os.Getenv("FANFARE_REQUIRE") != "" {
			t.Fatal("ip is missing, and FANFARE_REQUIRE is set: apt install iproute2")
		}
		t.Skip("ip is missing: apt install iproute2")
	}
	pid, n := os.Getpid(), int(links.Add(1))
	l := &Link{t: t, name: fmt.Sprintf("ff%d-%d", pid%100_000, n)}
	net, low := fmt.Sprintf("198.18.%d.", pid%256), n*4%256 // of the block that is set aside for tests of networks
	l.Near, l.Far = fmt.Sprint(net, low+1), fmt.Sprint(net, low+2)
	near, far := l.name+"n", l.name+"f"
	if out, err := exec.Command("ip", "netns", "add", l.name).CombinedOutput(); err != nil {
		t.Skipf("this machine does not allow a network namespace: %s", out)
	}
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", near).Run()
		_ = exec.Command("ip", "netns", "del", l.name).Run()
	})
	for _, command := range []string{
		"link add " + near + " type veth peer name " + far + " netns " + l.name,
		"addr add " + l.Near + "/30 dev " + near,
		"link set " + near + " up",
		"-n " + l.name + " addr add " + l.Far + "/30 dev " + far,
		"-n " + l.name + " link set " + far + " up",
	} {
		l.ip(command)
	}
	return l
}

func (l *Link) ip(command string) {
	l.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", command, err, out)
	}
}

// Do calls f on a thread that is in the namespace: sockets that f opens are in it.
func (l *Link) Do(f func()) {
	l.t.Helper()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		var fd int
		if fd, err = unix.Open("/run/netns/"+l.name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			f()
		}
	}()
	<-done
	if err != nil {
		l.t.Fatal(err)
	}
}

// Cut cuts the link. Near sees no sign of it.
func (l *Link) Cut() {
	l.t.Helper()
	l.ip("-n " + l.name + " route add blackhole " + l.Near + "/32")
}

// Mend undoes Cut.
func (l *Link) Mend() {
	l.t.Helper()
	l.ip("-n " + l.name + " route del blackhole " + l.Near + "/32")
}
