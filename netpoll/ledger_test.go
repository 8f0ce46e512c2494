//go:build linux && !race

package netpoll_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// memory is what the ledger's server says of itself.
type memory struct {
	Addr    string      // where it listens
	Objects int         // bytes of objects in the heap, without those above 32 KiB, which are workers' buffers
	Sizes   map[int]int // number of objects by their size
	Spans   int         // bytes with which the runtime describes the heap's spans
	RSS     int         // bytes
}

// weighed returns the memory of this process once it has returned its garbage.
func weighed(addr string) (memory, error) {
	runtime.GC() // twice with the next: what is in a sync.Pool survives one
	debug.FreeOSMemory()
	smaps, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return memory{}, err
	}
	_, rest, _ := strings.Cut(string(smaps), "\nRss:")
	kib, err := strconv.Atoi(strings.Fields(rest + " ?")[0])
	if err != nil {
		return memory{}, err
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m := memory{Addr: addr, Sizes: map[int]int{}, Spans: int(s.MSpanInuse), RSS: kib << 10}
	for _, c := range s.BySize {
		n := int(c.Mallocs - c.Frees)
		m.Sizes[int(c.Size)] = n
		m.Objects += n * int(c.Size)
	}
	return m, nil
}

const (
	ledgerServer = "FANFARE_LEDGER_SERVER" // set in the process of the server
	ledgerLoops  = 2
	ledgerConns  = 9000 // 4,500 in each loop: easygo's maps are as full as with 9,000
)

// TestLedgerServer is the process that TestLedger measures. For each line on stdin it tells its memory.
func TestLedgerServer(t *testing.T) {
	if os.Getenv(ledgerServer) == "" {
		t.Skip("only TestLedger runs it")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	s := &wsproto.Server{
		Handler: &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) }},
		Engine:  netpoll.Options{Loops: ledgerLoops},
	}
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		m, err := weighed(addr.String())
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// server is the process of TestLedgerServer.
type server struct {
	in  io.Writer
	out *bufio.Scanner
}

func startServer(t *testing.T) *server {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLedgerServer$")
	cmd.Env = append(os.Environ(), ledgerServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	return &server{in, bufio.NewScanner(out)}
}

// weigh returns the server's memory.
func (s *server) weigh(t *testing.T) (m memory) {
	t.Helper()
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		t.Fatal(err)
	}
	if !s.out.Scan() {
		t.Fatalf("the server has ended: %v", s.out.Err())
	}
	if err := json.Unmarshal(s.out.Bytes(), &m); err != nil {
		t.Fatalf("the server says %q: %v", s.out.Text(), err)
	}
	return m
}

// echoed opens n connections, each of which gets an echo. close resets them, so that their ports can be used again at once.
func echoed(t *testing.T, addr string, n int) (close func()) {
	t.Helper()
	all := make([]net.Conn, 0, n)
	message := make([]byte, 128)
	for range n {
		c, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		c.(*net.TCPConn).SetLinger(0)
		if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewBinaryFrame(message))); err != nil {
			t.Fatal(err)
		}
		h, err := ws.ReadHeader(c)
		if err != nil || h.Length != int64(len(message)) {
			t.Fatalf("an echo of %d bytes: %v", h.Length, err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, c := range all {
			c.Close()
		}
	}
}

// ledger returns the rows of the ledger in doc.go: bytes by name.
func ledger(t *testing.T) map[string]float64 {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "// # Memory\n")
	text, _, _ = strings.Cut(text, "// # ")
	row := regexp.MustCompile(`(?m)^//\t(\S+(?: \S+)*) {2,}(\d+)\b`)
	rows := map[string]float64{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		rows[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	return rows
}

// parts are the rows that consist of objects of one size, which hardly anything else has that comes with a connection.
var parts = map[string]int{
	"connection":   128,
	"callback":     16,
	"easygo's map": 18432, // a table of 1,024 places
	"list":         4096,  // a chunk of the loop's table
}

// TestLedger: the ledger in doc.go is what connections cost. Objects are counted after a collection, so their tolerance is for
// rounding, and for the lists of both loops, whose last chunks are not full. RSS has half a MiB more: on a busy machine there are
// more stacks, and more pages that are partly used, because more garbage lay between the connections when they came.
func TestLedger(t *testing.T) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || files.Cur < ledgerConns+200 {
		t.Skipf("%d descriptors, %d needed: %v", files.Cur, ledgerConns+200, err)
	}
	s := startServer(t)
	empty := s.weigh(t)
	echoed(t, empty.Addr, 500)() // the code is in memory then, and the first worker exists
	size := parts["connection"]
	if !netpolltest.Settles(time.Minute, func() bool { return s.weigh(t).Sizes[size] <= empty.Sizes[size]+10 }) {
		t.Fatal("connections that have ended are not collected")
	}
	before := s.weigh(t)
	defer echoed(t, empty.Addr, ledgerConns)()
	rows := ledger(t)
	var after memory
	netpolltest.Settles(3*time.Second, func() bool { // workers that were busy at once may still have their buffers
		after = s.weigh(t)
		return float64(after.RSS-before.RSS)/ledgerConns <= rows["RSS"]+10
	})
	check := func(name string, total int, below, above float64) {
		t.Helper()
		is, want := float64(total)/ledgerConns, rows[name]
		t.Logf("%-12s %5.1f, in doc.go %3.0f", name, is, want)
		if is < want-below || is > want+above {
			t.Errorf("%s: %.1f bytes for each connection, the ledger in doc.go has %.0f", name, is, want)
		}
	}
	sum := 0.0
	for name, size := range parts {
		check(name, (after.Sizes[size]-before.Sizes[size])*size, 1, 1)
		sum += rows[name]
	}
	check("objects", after.Objects-before.Objects, 4, 4)
	check("spans", after.Spans-before.Spans, 1, 3)
	check("RSS", after.RSS-before.RSS, rows["RSS"]-sum, 512<<10/ledgerConns)
	if sum != rows["objects"] || sum+rows["remainders"]+rows["spans"]+rows["other"] != rows["RSS"] {
		t.Errorf("the ledger in doc.go does not add up: %v", rows)
	}
}
