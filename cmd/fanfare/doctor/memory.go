package doctor

import (
	"fmt"
	"strings"
)

// Bytes that a connection takes: bench measures them, and a test compares these with its figures.
const (
	plainConn  = 320
	tlsConn    = 9_600
	kernelConn = 3_600
)

// memory is what is smallest: the free memory of the machine, the limit of a cgroup, GOMEMLIMIT.
func (e *examiner) memory() {
	server := int64(plainConn)
	if e.options.TLS {
		server = tlsConn
	}
	each := fmt.Sprintf("half of it for connections of %s B: %s in the server, %s in the kernel", count(server+kernelConn), count(server), count(kernelConn))
	need := 2 * e.wanted() * (server + kernelConn)
	if free, ok := e.meminfo("MemAvailable"); ok {
		e.holds("memory", free/2/(server+kernelConn), fmt.Sprintf("%s are available (/proc/meminfo), %s", size(free), each),
			fmt.Sprintf("a machine with %s of free memory holds %s connections", size(need), count(e.wanted())))
	}
	limit, file := e.cgroupLimit("memory", "memory.max", "memory.limit_in_bytes")
	if total, ok := e.meminfo("MemTotal"); ok && limit < total {
		e.holds("memory of cgroup", limit/2/(server+kernelConn), fmt.Sprintf("%s (%s), %s", size(limit), file, each),
			fmt.Sprintf("systemd: MemoryMax=%d, Docker: --memory=%[1]d, Kubernetes: resources.limits.memory: %[1]d", need))
	}
	if e.MemoryLimit < noLimit {
		e.holds("GOMEMLIMIT", e.MemoryLimit/2/server, fmt.Sprintf("%s, half of it for connections of %s B, which do not include the kernel's part", size(e.MemoryLimit), count(server)),
			fmt.Sprintf("Environment=GOMEMLIMIT=%d in the unit, or no such variable: the server knows the limit of its cgroup", 2*e.wanted()*server))
		if e.MemoryLimit > limit {
			e.note("GOMEMLIMIT, cgroup", false, fmt.Sprintf("%s are more than the cgroup has (%s): the kernel ends the server before Go frees memory", size(e.MemoryLimit), size(limit)),
				"remove the variable GOMEMLIMIT")
		}
	}
}

// meminfo returns a value of /proc/meminfo in bytes.
func (e *examiner) meminfo(name string) (int64, bool) {
	_, after, found := strings.Cut("\n"+e.text("proc/meminfo"), "\n"+name+":")
	words := strings.Fields(after)
	if !found || len(words) < 2 || words[1] != "kB" {
		return 0, false
	}
	n, ok := parse(words[0])
	return min(n, noLimit/1024) * 1024, ok
}

// hugePages are good for programs with large heaps, and make one with a small heap larger.
func (e *examiner) hugePages() {
	text := e.text("sys/kernel/mm/transparent_hugepage/enabled")
	if text == "" {
		return
	}
	_, chosen, _ := strings.Cut(text, "[")
	chosen, _, _ = strings.Cut(chosen, "]")
	e.note("huge pages", chosen != "always", "transparent huge pages are: "+chosen+map[bool]string{true: "; memory that is free within one of 2 MiB counts as used"}[chosen == "always"],
		"echo madvise >/sys/kernel/mm/transparent_hugepage/enabled")
}
