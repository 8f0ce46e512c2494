//go:build linux

package netpoll

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// unknownMemory is taken for the machine's memory, in bytes, if the kernel does not say.
const unknownMemory = 1 << 30

var systemMemory = sync.OnceValue(func() int64 { return memoryBelow("/") })

// MemoryLimit returns the bytes of memory that the process may use: the smallest of
// the machine's memory, the limits of the control group (version 2 or 1) that it is in
// and of those above, and GOMEMLIMIT, or what debug.SetMemoryLimit was given. The first
// two are read once.
func MemoryLimit() int64 { return min(systemMemory(), debug.SetMemoryLimit(-1)) }

// memoryBelow returns the limit according to proc and sys, which are mounted below root.
func memoryBelow(root string) int64 {
	limit := int64(unknownMemory)
	if total, ok := totalMemory(filepath.Join(root, "proc/meminfo")); ok {
		limit = total
	}
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	for line := range strings.Lines(string(groups)) {
		limit = min(limit, groupLimit(filepath.Join(root, "sys/fs/cgroup"), strings.TrimSpace(line)))
	}
	return limit
}

func totalMemory(file string) (n int64, ok bool) {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			kib, err := strconv.ParseInt(f[1], 10, 54)
			return kib << 10, err == nil && kib > 0
		}
	}
	return 0, false
}

// groupLimit returns the limit of a group that a line of /proc/self/cgroup names, as
// "number:controllers:path", and of the groups above it. In a container the path may be
// one of the host's, which is not there: then only what is mounted counts.
func groupLimit(mount, line string) int64 {
	limit := int64(math.MaxInt64)
	f := strings.SplitN(line, ":", 3)
	if len(f) != 3 {
		return limit
	}
	file := "memory.max"
	if f[0] != "0" || f[1] != "" { // version 1
		if !hasController(f[1], "memory") {
			return limit
		}
		mount, file = filepath.Join(mount, "memory"), "memory.limit_in_bytes"
	}
	for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
		text, _ := os.ReadFile(filepath.Join(mount, dir, file))
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			limit = min(limit, n)
		}
		if dir == "/" {
			return limit
		}
	}
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// scavenger gives memory back to the system after the engine has held much
// of it for peers and freed it. The runtime would find it at its next collection, but a server
// that has become idle allocates nothing that starts one. Only the monitor uses it.
type scavenger struct {
	peak  int64 // the most that was held since memory was given back
	quiet int   // consecutive sweeps at which no more was held than at the one before
	last  int64 // held at the last sweep
	next  time.Time
	run   sync.WaitGroup
	free  func() // freeMemory, except in tests
}

const (
	// scavengeFrom is how much must have been freed: less is not worth a collection.
	scavengeFrom = 8 << 20
	// scavengeQuiet is the number of sweeps at which held memory must not have grown.
	scavengeQuiet = 3
	// scavengePause is the least time between two collections.
	scavengePause = 15 * time.Second
)

// look notes the bytes that are held at a sweep, and starts a collection if it is due.
func (s *scavenger) look(held int64, now time.Time) {
	s.peak = max(s.peak, held)
	if held > s.last {
		s.quiet = 0
	}
	s.quiet++
	s.last = held
	if s.peak-held < scavengeFrom || s.quiet < scavengeQuiet || now.Before(s.next) {
		return
	}
	s.peak, s.next = held, now.Add(scavengePause)
	s.run.Go(s.free)
}

// freeMemory collects twice, because the content of a sync.Pool survives one collection.
func freeMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
