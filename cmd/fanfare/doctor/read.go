package doctor

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// text returns what a small file has, without white space around it; "" if there is none.
func (m *Machine) text(name string) string {
	b, err := fs.ReadFile(m.Root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// numbers returns the numbers in a file. One that is too large is noLimit.
func (m *Machine) numbers(name string) (all []int64) {
	for _, word := range strings.Fields(m.text(name)) {
		n, ok := parse(word)
		if !ok {
			return nil
		}
		all = append(all, n)
	}
	return all
}

func parse(word string) (int64, bool) {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return noLimit, word == "max"
	}
	return int64(min(n, noLimit)), true
}

// number returns the only number in a file; ok is false if there is none.
func (m *Machine) number(name string) (n int64, ok bool) {
	all := m.numbers(name)
	if len(all) != 1 {
		return 0, false
	}
	return all[0], true
}

// sysctl returns the only number of a setting of the kernel, such as fs.nr_open.
func (m *Machine) sysctl(name string) (int64, bool) {
	return m.number("proc/sys/" + strings.ReplaceAll(name, ".", "/"))
}

// cgroups returns the directories of the groups that this process is in, from its own up to the root: of version 2, and of a
// controller of version 1. In a container, the file may have paths of the host, which are not there.
func (m *Machine) cgroups(controller string) (v2, v1 []string) {
	for line := range strings.Lines(m.text("proc/self/cgroup")) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		names, group, found := strings.Cut(rest, ":")
		switch {
		case !found:
		case names == "":
			v2 = upward("sys/fs/cgroup", group)
		case contains(names, controller):
			v1 = upward("sys/fs/cgroup/"+controller, group)
		}
	}
	return v2, v1
}

func contains(names, name string) bool {
	for n := range strings.SplitSeq(names, ",") {
		if n == name {
			return true
		}
	}
	return false
}

// upward returns a directory below root and all above it, root included.
func upward(root, group string) (all []string) {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		all = append(all, path.Join(root, group))
		if group == "/" {
			return all
		}
	}
}

// cgroupLimit returns the smallest limit of the groups, in the files of either version, and the file that has it.
func (m *Machine) cgroupLimit(controller, v2File, v1File string) (limit int64, file string) {
	v2, v1 := m.cgroups(controller)
	limit = noLimit
	look := func(dirs []string, name string) {
		for _, dir := range dirs {
			if n, ok := m.number(path.Join(dir, name)); ok && n < limit {
				limit, file = n, "/"+path.Join(dir, name)
			}
		}
	}
	look(v2, v2File)
	look(v1, v1File)
	return limit, file
}
