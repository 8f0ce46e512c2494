package main

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// limits are the limits of this process.
type limits struct {
	files     int // descriptors; the soft limit was raised to the hard limit
	firstPort int // of the range of local ports, per address
	lastPort  int
}

// ownFiles is the number of descriptors that the program needs beside its connections: epoll, standard streams, files in
// /proc.
const ownFiles = 64

// readLimits raises the soft limit of open files to the hard limit and returns the limits. A limit that it cannot read has
// the default of Linux.
func readLimits() limits {
	l := limits{files: 1024, firstPort: 32768, lastPort: 60999}
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil {
		if r.Cur < r.Max && unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: r.Max, Max: r.Max}) == nil {
			r.Cur = r.Max
		}
		l.files = int(min(r.Cur, 1<<30))
	}
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(b), &l.firstPort, &l.lastPort)
	}
	return l
}

func (l limits) ports() int { return max(0, l.lastPort-l.firstPort+1) }

// checkFiles returns an error if the process may not open that many connections.
func (l limits) checkFiles(connections int) error {
	need := connections + ownFiles
	if need <= l.files {
		return nil
	}
	return badUsage("%s connections need %s open files, but the limit of this process is %s: "+
		"raise it (ulimit -n %d as root, /etc/security/limits.conf, or LimitNOFILE= of systemd), "+
		"or open at most %s connections",
		comma(connections), comma(need), comma(l.files), need, comma(max(0, l.files-ownFiles)))
}

// pickSources returns the addresses to connect from in turn; without any the system chooses. For a server on the loopback
// it returns as many addresses as the connections need.
func (l limits) pickSources(connections int, to netip.Addr, chosen []netip.Addr) ([]netip.Addr, error) {
	if len(chosen) == 0 && to.Is4() && to.IsLoopback() && l.ports() > 0 {
		// At most half of an address's ports: the kernel's search for a free port slows down as they run out, and some may
		// be in use.
		perAddr := max(1, l.ports()/2)
		ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		for range (connections + perAddr - 1) / perAddr {
			chosen = append(chosen, ip)
			ip = ip.Next()
		}
		return chosen, nil
	}
	for _, a := range chosen {
		if a.Unmap().Is4() != to.Is4() {
			return nil, badUsage("-source: %v cannot connect to %v: one is an IPv4 address, the other an IPv6 address", a, to)
		}
	}
	if have := max(1, len(chosen)) * l.ports(); connections > have {
		return nil, badUsage("%s connections to one server need as many local ports, but there are only %s (%s to %s): "+
			"widen the range (sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"), or set more addresses with -source",
			comma(connections), comma(have), fmt.Sprint(l.firstPort), fmt.Sprint(l.lastPort))
	}
	return chosen, nil
}
