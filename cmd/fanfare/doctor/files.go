package doctor

import "fmt"

// reservedFiles is the number of descriptors that the server needs beside its connections.
const reservedFiles = 128

// openFiles is the limit of this process. The server raises the soft limit to the hard one by itself.
func (e *examiner) openFiles() {
	_, hard, err := e.Files()
	if err != nil {
		e.note("open files", false, "the limit cannot be read: "+err.Error())
		return
	}
	limit := int64(min(hard, noLimit))
	want := roundUp(e.wanted() + reservedFiles)
	raise := []string{
		fmt.Sprintf("systemd: LimitNOFILE=%d in the unit (systemctl edit fanfare)", want),
		fmt.Sprintf("a shell: ulimit -Hn %d, or '* hard nofile %[1]d' in /etc/security/limits.conf", want),
		fmt.Sprintf("Docker: --ulimit nofile=%d:%[1]d", want),
	}
	if most, ok := e.sysctl("fs.nr_open"); ok && most < want {
		raise = append([]string{fmt.Sprintf("first, since no limit may be above fs.nr_open (%d): %s", most, sysctl("fs.nr_open", want))}, raise...)
	}
	e.holds("open files", limit-reservedFiles, fmt.Sprintf("hard limit %s (RLIMIT_NOFILE), less %d for the server itself", count(limit), reservedFiles), raise...)
}

// allFiles is the limit of all processes together.
func (e *examiner) allFiles() {
	most, ok := e.sysctl("fs.file-max")
	if !ok {
		return
	}
	used := int64(0)
	if nr := e.numbers("proc/sys/fs/file-nr"); len(nr) == 3 {
		used = nr[0]
	}
	e.holds("files of the system", most-used-reservedFiles, fmt.Sprintf("fs.file-max is %s, of which %s are open", count(most), count(used)),
		sysctl("fs.file-max", roundUp(e.wanted()+used+reservedFiles)))
}

// watches is how many descriptors a user may watch with epoll. The kernel derives it from the memory.
func (e *examiner) watches() {
	if most, ok := e.sysctl("fs.epoll.max_user_watches"); ok {
		e.holds("epoll watches", most-reservedFiles, fmt.Sprintf("fs.epoll.max_user_watches is %s for each user", count(most)),
			sysctl("fs.epoll.max_user_watches", roundUp(e.wanted()+reservedFiles)))
	}
}

// sysctl returns the command that sets a value.
func sysctl(name string, value any) string {
	return fmt.Sprintf("sysctl -w %s=%v    (to keep it: echo '%[1]s = %[2]v' >>/etc/sysctl.d/90-fanfare.conf)", name, value)
}

// roundUp returns the next power of two.
func roundUp(n int64) int64 {
	p := int64(1)
	for p < n {
		p *= 2
	}
	return p
}
