package config

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// socket is a socket that listens.
type socket struct {
	addr  netip.AddrPort
	path  string // of a Unix socket
	inode string
}

// readSockets returns the listening sockets of this network namespace: those in net/tcp, net/tcp6 and net/unix of proc.
func readSockets(proc string) (all []socket) {
	for _, name := range []string{"tcp", "tcp6"} {
		eachLine(filepath.Join(proc, "net", name), func(words []string) {
			const listening = "0A"
			if len(words) < 10 || words[3] != listening {
				return
			}
			if addr, ok := parseAddr(words[1]); ok {
				all = append(all, socket{addr: addr, inode: words[9]})
			}
		})
	}
	eachLine(filepath.Join(proc, "net", "unix"), func(words []string) {
		const accepts = 0x10000 // __SO_ACCEPTCON
		if len(words) < 8 {
			return
		}
		if flags, err := strconv.ParseUint(words[3], 16, 32); err == nil && flags&accepts != 0 {
			all = append(all, socket{path: words[7], inode: words[6]})
		}
	})
	return all
}

// eachLine calls f with the words of each line of a file but the first. A file that does not exist has no lines.
func eachLine(file string, f func(words []string)) {
	r, err := os.Open(file)
	if err != nil {
		return
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan(); lines.Scan(); {
		f(strings.Fields(lines.Text()))
	}
}

// parseAddr parses an address of net/tcp: groups of four bytes in the order of the machine, in hexadecimal, and the port.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip, uint16(n)), ok
}

// owner returns the name and the number of a process that has the socket open, as far as this user may see it.
func owner(proc, inode string) (name string, pid int) {
	all, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, dir := range all {
		fds, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, fd := range fds {
			if link, _ := os.Readlink(filepath.Join(dir, "fd", fd.Name())); link != "socket:["+inode+"]" {
				continue
			}
			comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
			pid, _ = strconv.Atoi(filepath.Base(dir))
			return strings.TrimSpace(string(comm)), pid
		}
	}
	return "", 0
}
