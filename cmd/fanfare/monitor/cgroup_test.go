package monitor

import (
	"os"
	"path/filepath"
	"testing"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// The memory of a control group is that of the group nearest its limit, without the cache of files that the kernel can drop. The
// memory of sockets counts.
func TestCgroupMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files       map[string]string
		used, limit int64
	}{
		"none": {nil, 0, 0},
		"no limit": {map[string]string{
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "500\n",
		}, 0, 0},
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "950\n",
			"sys/fs/cgroup/memory.stat": "anon 100\nfile 50\nsock 800\ninactive_anon 7\ninactive_file 40\nactive_file 10\n",
		}, 910, 1000},
		"a group above": {map[string]string{
			"proc/self/cgroup":                 "0::/pod/one\n",
			"sys/fs/cgroup/pod/one/memory.max": "1000\n", "sys/fs/cgroup/pod/one/memory.current": "300\n",
			"sys/fs/cgroup/pod/memory.max": "2000\n", "sys/fs/cgroup/pod/memory.current": "1900\n",
		}, 1900, 2000},
		"a path of the host": {map[string]string{
			"proc/self/cgroup": "0::/docker/0123\n", "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "1\n",
		}, 1, 1000},
		"version 1": {map[string]string{
			"proc/self/cgroup":                             "9:cpu:/\n4:hugetlb,memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":   "9999\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1000\n",
			"sys/fs/cgroup/memory/a/memory.usage_in_bytes": "600\n",
			"sys/fs/cgroup/memory/a/memory.stat":           "inactive_file 1\ntotal_inactive_file 100\n",
		}, 500, 1000},
	} {
		m := NewMeter(tree(t, c.files))
		if p := m.Process(0); p.GroupMemory != c.used || p.GroupLimit != c.limit {
			t.Errorf("%s: %d of %d", name, p.GroupMemory, p.GroupLimit)
		}
	}
}

func BenchmarkProcess(b *testing.B) {
	m := NewMeter("/")
	for b.Loop() {
		m.Process(0)
	}
}
