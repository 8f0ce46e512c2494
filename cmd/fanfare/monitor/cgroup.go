package monitor

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryFiles are those of a control group with its memory: the limit, what is used, and a line of memory.stat with the part
// that the kernel can take back at once, since a file has it, too.
type memoryFiles struct{ limit, used, cache string }

var (
	version2 = memoryFiles{"memory.max", "memory.current", "inactive_file"}
	version1 = memoryFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
)

// memoryGroup is a control group that may have a limit of memory.
type memoryGroup struct {
	dir   string
	files memoryFiles
}

// memoryGroups returns the group of the process and those above it, according to proc and sys, which are mounted below root.
func memoryGroups(root string) (all []memoryGroup) {
	text, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		mount, files := filepath.Join(root, "sys/fs/cgroup"), version2
		if f[0] != "0" || f[1] != "" {
			if !strings.Contains(","+f[1]+",", ",memory,") {
				continue
			}
			mount, files = filepath.Join(mount, "memory"), version1
		}
		for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
			g := memoryGroup{filepath.Join(mount, dir), files}
			if _, err := os.Stat(filepath.Join(g.dir, files.limit)); err == nil {
				all = append(all, g)
			}
			if dir == "/" {
				break
			}
		}
	}
	return all
}

// use returns the memory that counts against the limit of the group, and the limit; zeros if it has none. In version 2 that is
// all memory of its processes, and what the kernel holds for their sockets.
func (g *memoryGroup) use() (used, limit int64) {
	limit, ok := number(filepath.Join(g.dir, g.files.limit))
	used, known := number(filepath.Join(g.dir, g.files.used))
	if !ok || !known || limit <= 0 || limit > math.MaxInt64/2 { // version 1 has the largest multiple of a page for no limit
		return 0, 0
	}
	stat, _ := os.ReadFile(filepath.Join(g.dir, "memory.stat"))
	for line := range strings.Lines(string(stat)) {
		if value, is := strings.CutPrefix(strings.TrimSpace(line), g.files.cache+" "); is {
			cache, _ := strconv.ParseInt(value, 10, 64)
			used = max(used-cache, 0)
		}
	}
	return used, limit
}

func number(file string) (int64, bool) {
	text, _ := os.ReadFile(file)
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// fullest returns the use of the group that is nearest its limit; zeros if none has one.
func fullest(all []memoryGroup) (used, limit int64) {
	for i := range all {
		u, l := all[i].use()
		if l > 0 && (limit == 0 || float64(u)/float64(l) > float64(used)/float64(limit)) {
			used, limit = u, l
		}
	}
	return used, limit
}
