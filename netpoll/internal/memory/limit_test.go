//go:build linux

package memory

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestMemoryOfTheSystem(t *testing.T) {
	const meminfo = "MemTotal:        1024 kB\nMemFree:           12 kB\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing", nil, unknownMemory},
		{"no group", map[string]string{"proc/meminfo": meminfo}, 1 << 20},
		{"version 2", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "65536\n",
		}, 65536},
		{"version 2, in the group above", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "4096\n",
		}, 4096},
		{"version 2, a container's own", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "8192\n",
		}, 8192},
		{"version 2, more than there is", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, 1 << 20},
		{"version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "9:cpu,memory:/docker/x\n8:cpuset:/\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "16384\n",
		}, 16384},
		{"version 1, no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "9:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 1 << 20},
		{"nonsense", map[string]string{
			"proc/meminfo": "MemTotal: x kB\n", "proc/self/cgroup": "::\n0\n0::../../..\n", "sys/fs/cgroup/memory.max": "-1\n",
		}, unknownMemory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				name = filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := memoryBelow(root); got != tt.want {
				t.Errorf("memory is %d, want %d", got, tt.want)
			}
		})
	}
}

func TestMemoryLimitFollowsTheRuntime(t *testing.T) {
	whole := Limit()
	if whole <= 0 {
		t.Fatalf("Limit() = %d", whole)
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(whole / 2))
	if got := Limit(); got != whole/2 {
		t.Errorf("Limit() = %d after SetMemoryLimit(%d)", got, whole/2)
	}
}
