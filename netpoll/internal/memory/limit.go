//go:build linux

// Package memory says how much memory the process may use, and gives back what it has freed.
package memory

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// unknownMemory is taken for the machine's memory, in bytes, if the kernel does not say.
const unknownMemory = 1 << 30

var systemMemory = sync.OnceValue(func() int64 { return memoryBelow("/") })

// Limit returns the bytes of memory that the process may use: the smallest of
// the machine's memory, the limits of the control group (version 2 or 1) that it is in
// and of those above, and GOMEMLIMIT, or what debug.SetMemoryLimit was given. The first
// two are read once.
func Limit() int64 { return min(systemMemory(), debug.SetMemoryLimit(-1)) }

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
