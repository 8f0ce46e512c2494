package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFlood has many peers that send messages to /echo and never read, and measures the memory of a server in
// its own process. It takes a minute, so it runs only with the number of peers and the memory limit of the server in the
// environment (an eighth of that may be pending):
//
//	FLOOD=5000 GOMEMLIMIT=2GiB go test -run TestFlood -v ./cmd/fanfare
func TestFlood(t *testing.T) {
	peers, _ := strconv.Atoi(os.Getenv("FLOOD"))
	limit, _ := strconv.Atoi(strings.TrimSuffix(os.Getenv("GOMEMLIMIT"), "GiB"))
	if peers == 0 || limit == 0 {
		t.Skip("set FLOOD to the number of peers and GOMEMLIMIT to so many GiB")
	}
	const mib = 1 << 20
	budget := limit << 30 / 8
	s := startProcess(t)
	time.Sleep(2 * time.Second)
	empty := s.rss(t)
	f := &flood{addr: s.addr, places: make(chan struct{}, 64)}
	for range peers {
		f.peers.Go(f.peer)
	}
	most := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		most = max(most, s.rss(t))
	}
	t.Logf("%d peers sent %d MiB, %d were closed, %d had no connection; RSS rose from %d to %d MiB, the budget is %d MiB",
		peers, f.sent.Load()/mib, f.closed.Load(), f.failed.Load(), empty/mib, most/mib, budget/mib)
	if most > budget*13/10 {
		t.Errorf("RSS reached %.2f of the budget", float64(most)/float64(budget))
	}
	f.end()
	after := 0
	for range 30 {
		time.Sleep(time.Second)
		if after = s.rss(t); after < empty+10*mib {
			break
		}
	}
	t.Logf("RSS is %.1f MiB after they left, %.1f before they came", float64(after)/mib, float64(empty)/mib)
	if after > empty+10*mib {
		t.Errorf("RSS did not return")
	}
}

// process is a server in its own process.
type process struct {
	addr string
	pid  int
}

func startProcess(t *testing.T) *process {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "fanfare")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(binary, append([]string{"-addr", "127.0.0.1:0"}, strings.Fields(os.Getenv("FLOOD_ARGS"))...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return &process{addr: m[1], pid: cmd.Process.Pid}
		}
	}
	t.Fatal("it does not say where it listens")
	return nil
}

// rss returns the process's resident memory in bytes.
func (p *process) rss(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}

type flood struct {
	addr   string
	places chan struct{} // of those who connect at a time
	peers  sync.WaitGroup
	mu     sync.Mutex
	conns  []net.Conn
	ended  bool
	sent   atomic.Int64
	closed atomic.Int64
	failed atomic.Int64
}

func (f *flood) end() {
	f.mu.Lock()
	f.ended = true
	for _, nc := range f.conns {
		nc.Close()
	}
	f.mu.Unlock()
	f.peers.Wait()
}

// peer sends until its connection is closed. It reads only the response to its handshake.
func (f *flood) peer() {
	f.places <- struct{}{}
	nc, err := f.connect()
	<-f.places
	if err != nil {
		f.failed.Add(1)
		return
	}
	const size = 16 << 10
	frame := binary.BigEndian.AppendUint16([]byte{0x82, 0x80 | 126}, size)
	frame = append(frame, make([]byte, 4+size)...)
	for err == nil {
		var n int
		n, err = nc.Write(frame)
		f.sent.Add(int64(n))
	}
	f.closed.Add(1)
	nc.Close()
}

func (f *flood) connect() (net.Conn, error) {
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.conns = append(f.conns, nc)
	ended := f.ended
	f.mu.Unlock()
	if ended {
		nc.Close()
	}
	// Data that waits on this side is in buffers of the kernel; keep them small, so that 5,000 peers do not exhaust its memory.
	_ = nc.(*net.TCPConn).SetWriteBuffer(32 << 10)
	_ = nc.(*net.TCPConn).SetReadBuffer(8 << 10)
	fmt.Fprintf(nc, "GET /echo HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", f.addr)
	answer := make([]byte, 12)
	if _, err := io.ReadFull(nc, answer); err != nil || !bytes.HasSuffix(answer, []byte("101")) {
		nc.Close()
		return nil, fmt.Errorf("the handshake is answered with %q: %v", answer, err)
	}
	return nc, nil
}
