//go:build linux

package netpoll

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// A read that has to answer, to a request for new keys (RFC 8446, 4.6.3), while
// others write: neither waits for the other, and all arrives.
func TestTLSKeyUpdate(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs the program openssl: apt-get install openssl")
	}
	s := serveTLS(t, Options{}, echoing)
	cmd := exec.Command(openssl, "s_client", "-connect", s.addr, "-tls1_3")
	in := must[io.WriteCloser](t)(cmd.StdinPipe())
	var out netpolltest.Output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	p := receive(t, "OnOpen", s.new)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	quit := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	defer quit()
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Microsecond) // openssl is no fast reader
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				p.c.Write(nil, fmt.Appendf(nil, "<%d>", i))
			}
		}
	})
	for round := range 5 {
		line := fmt.Sprintf("line %d\n", round)
		write(t, in, []byte(line))
		eventually(t, "the echo", func() bool { return strings.Contains(out.String(), line) })
		write(t, in, []byte("K\n"))
		eventually(t, "the request for new keys", func() bool {
			return strings.Count(out.String(), "KEYUPDATE") > round
		})
	}
	quit()
	if o := p.c.Write(nil, []byte("the end\n")); !o.OK() {
		t.Error(o)
	}
	eventually(t, "the last", func() bool { return strings.Contains(out.String(), "the end\n") })
}
