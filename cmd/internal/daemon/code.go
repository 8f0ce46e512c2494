package daemon

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReleaseCode takes code out of the process's memory that only its start has needed: the shared libraries, the Go packages whose
// import paths begin with one of cold, and constants and tables that are not needed again soon. The kernel maps 16 pages at each fault, and leaves them there while memory is free. What
// is needed after all comes back from the page cache at its next use. It is called once the program has started.
func ReleaseCode(cold ...string) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	all := unchangedFiles(smaps)
	here, _, _, _ := runtime.Caller(0)
	i := slices.IndexFunc(all, func(m mapping) bool { return m.start <= here && here < m.end })
	if i < 0 {
		return
	}
	all[i].releasePackages(cold)
	for j, m := range all {
		if j != i { // a library, or the program's constants and tables, which to look for packages has read
			m.release()
		}
	}
}

// mapping is a range of addresses to which a file is mapped.
type mapping struct {
	start, end uintptr
	path       string
}

// release has no effect on an empty range.
func (m mapping) release() {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
}

// releasePackages releases the pages that begin and end in a cold package.
func (m mapping) releasePackages(cold []string) {
	page := uintptr(os.Getpagesize())
	from := m.start // no cold page before it is still to be released
	before := isCold(from, cold)
	for at := from; at < m.end; at += page {
		after := isCold(at+page, cold)
		if !before || !after {
			mapping{start: from, end: at}.release()
			from = at + page
		}
		before = after
	}
	mapping{start: from, end: m.end}.release()
}

// isCold reports whether the function at an address is of a cold package.
func isCold(pc uintptr, cold []string) bool {
	f := runtime.FuncForPC(pc)
	if f == nil {
		return false
	}
	for _, prefix := range cold {
		if strings.HasPrefix(f.Name(), prefix) {
			return true
		}
	}
	return false
}

// unchangedFiles returns the mappings of files that nobody can write to and nobody has changed. MADV_DONTNEED would lose what
// a linker has written into a mapping before it was protected, or a debugger.
func unchangedFiles(smaps []byte) (all []mapping) {
	var m mapping
	candidate := false
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case !strings.HasSuffix(fields[0], ":"):
			m, candidate = parseMapping(fields)
		case candidate && fields[0] == "Anonymous:":
			if fields[1] == "0" {
				all = append(all, m)
			}
			candidate = false
		}
	}
	return all
}

// parseMapping parses the first line of a mapping, such as "00400000-00c47000 r-xp 00000000 fe:01 42 /usr/bin/fanfare", and reports
// whether it is of a file, private and not writable.
func parseMapping(fields []string) (m mapping, ok bool) {
	from, to, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	if err != nil || err2 != nil || start >= end || len(fields) < 6 || !strings.HasPrefix(fields[5], "/") {
		return m, false
	}
	return mapping{uintptr(start), uintptr(end), fields[5]}, fields[1] == "r-xp" || fields[1] == "r--p"
}
