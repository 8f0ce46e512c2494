package monitor

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/netpoll"
)

// kernelSocket is what the kernel takes for an idle TCP connection, in bytes: the median of the comparison in bench/results.
const kernelSocket = 3600

// fewConns is the number of connections below which their part of the memory is not told: it would be noise.
const fewConns = 100

// Meter measures the process. Its methods may be called from any goroutine.
type Meter struct {
	started time.Time
	groups  []memoryGroup
	empty   atomic.Int64 // RSS before the first connection

	mu      sync.Mutex
	files   int       // open descriptors, when they were counted one by one
	counted time.Time // when that was
}

// NewMeter returns a Meter of this process, which has no connections yet. Its control groups are read below root, which is "/"
// apart from tests.
func NewMeter(root string) *Meter {
	m := &Meter{started: time.Now(), groups: memoryGroups(root)}
	m.Settle()
	return m
}

// Settle takes the memory of the process at this moment for that of the empty server.
func (m *Meter) Settle() { m.empty.Store(rss()) }

// Started returns when the process began to serve.
func (m *Meter) Started() time.Time { return m.started }

// Process returns what the process uses with that many connections. It takes about a tenth of a millisecond, however many there are.
func (m *Meter) Process(conns int64) Process {
	p := Process{
		PID: os.Getpid(), CPUSeconds: cpuSeconds(), RSS: rss(), Heap: heap(), MemoryLimit: netpoll.MemoryLimit(),
		Goroutines: runtime.NumGoroutine(), Files: m.openFiles(), FileLimit: int(daemon.FileLimit()), KernelSocket: kernelSocket,
	}
	p.GroupMemory, p.GroupLimit = fullest(m.groups)
	if conns >= fewConns {
		p.PerConn = max(p.RSS-m.empty.Load(), 0) / conns
	}
	return p
}

// rss returns the resident memory in bytes; 0 if the kernel does not say.
func rss() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	if f := strings.Fields(string(text)); len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

func heap() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	if metrics.Read(s); s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64())
}

// cpuSeconds returns the user and system time of the process.
func cpuSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// openFiles returns the number of open descriptors. Since Linux 6.2 it is the size of the directory; before, the directory
// must be read, which takes some milliseconds for ten thousands, and happens once a minute.
func (m *Meter) openFiles() int {
	var st unix.Stat_t
	if unix.Stat("/proc/self/fd", &st) == nil && st.Size > 0 {
		return int(st.Size)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.counted) >= time.Minute {
		m.files, m.counted = countFiles(), time.Now()
	}
	return m.files
}

func countFiles() int {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return max(len(names)-1, 0) // without the directory itself
}
