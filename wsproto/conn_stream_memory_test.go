//go:build !race

package wsproto

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestStreamMemory has a large message pass through a server in a process of its own,
// echoed by OnStream and a Writer, and looks at the most memory that the process had
// beyond what it had for a small message. The size is 64 MiB, or FANFARE_STREAM_MIB:
// 1024 of them take some seconds.
func TestStreamMemory(t *testing.T) {
	const limit = 2 << 20
	size := 64 << 20
	if s := os.Getenv("FANFARE_STREAM_MIB"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		size = n << 20
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStreamMemoryServer$")
	cmd.Env = append(os.Environ(), "FANFARE_STREAM_SERVER=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close() // it ends
		_ = cmd.Wait()
	}()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p := dialPeer(t, strings.TrimSpace(addr))
	defer p.nc.Close() // first, or it would be waited for
	p.expectEcho("small")
	before := memory(t, cmd.Process.Pid, "VmRSS:")
	p.streamZeros(size)
	most := memory(t, cmd.Process.Pid, "VmHWM:")
	t.Logf("%d MiB passed through with %d KiB above the %d KiB before", size>>20, (most-before)>>10, before>>10)
	if most-before > limit {
		t.Errorf("%d bytes more memory, want at most %d", most-before, limit)
	}
}

// streamZeros sends a message of n bytes, in one frame, and reads it back.
func (p *peer) streamZeros(n int) {
	p.Helper()
	done := make(chan error, 1)
	go func() {
		head := binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, uint64(n))
		_, err := p.nc.Write(append(head, zeroMask...))
		if err == nil {
			_, err = io.CopyN(struct{ io.Writer }{p.nc}, zeros{}, int64(n))
		}
		done <- err
	}()
	for got, b0 := 0, byte(0); b0&0x80 == 0; {
		var b []byte
		b0, b = p.frame()
		if got += len(b); b0&0x80 != 0 && got != n {
			p.Fatalf("got %d bytes", got)
		}
	}
	if err := <-done; err != nil {
		p.Fatal(err)
	}
}

// TestStreamMemoryServer is the process that TestStreamMemory looks at.
func TestStreamMemoryServer(t *testing.T) {
	if os.Getenv("FANFARE_STREAM_SERVER") == "" {
		t.Skip("it is started by TestStreamMemory")
	}
	os.Stdout.WriteString(listen(t, &Server{Handler: streamEcho(t)}) + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// memory returns a figure of a process's status, in bytes.
func memory(t testing.TB, pid int, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("%s is not in the status of process %d", name, pid)
	return 0
}
