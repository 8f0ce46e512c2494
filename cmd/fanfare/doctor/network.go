package doctor

import (
	"fmt"
	"strings"
)

const (
	// goodBacklog is the number of connections that may wait until the server accepts them, when many clients come back at once.
	goodBacklog = 4096
	// leastBuffers is what a connection needs at least in the kernel while a message is on its way: a page.
	leastBuffers = 4096
)

// conntrack is the table of a firewall, which has an entry for each connection.
func (e *examiner) conntrack() {
	most, ok := e.sysctl("net.netfilter.nf_conntrack_max")
	if !ok {
		e.note("conntrack", true, "the kernel tracks no connections here")
		return
	}
	used, _ := e.sysctl("net.netfilter.nf_conntrack_count")
	e.holds("conntrack", most-used, fmt.Sprintf("net.netfilter.nf_conntrack_max is %s, of which %s are in use", count(most), count(used)),
		sysctl("net.netfilter.nf_conntrack_max", roundUp(e.wanted()+used)),
		"or do not track the server's ports: "+untrack(e.options.Ports))
}

// untrack is the command that excepts ports from tracking, in both directions. Priority raw is before the tracking.
func untrack(ports []string) string {
	set := "PORT"
	if len(ports) > 0 {
		set = strings.Join(ports, ", ")
	}
	return "nft 'add table inet fanfare; " +
		"add chain inet fanfare in { type filter hook prerouting priority raw; }; add rule inet fanfare in tcp dport { " + set + " } notrack; " +
		"add chain inet fanfare out { type filter hook output priority raw; }; add rule inet fanfare out tcp sport { " + set + " } notrack'"
}

// buffers is the memory of the buffers of all sockets. One without data has none.
func (e *examiner) buffers() {
	pages := e.numbers("proc/sys/net/ipv4/tcp_mem")
	if len(pages) != 3 || e.PageSize <= 0 {
		return
	}
	total := min(pages[2], noLimit/e.PageSize) * e.PageSize
	conns := e.wanted()
	if e.options.MaxConns == 0 {
		conns = min(conns, max(e.report.Connections, 1))
	}
	want := conns * leastBuffers / e.PageSize
	e.note("TCP buffers", total/conns >= leastBuffers,
		fmt.Sprintf("all sockets together may hold %s (net.ipv4.tcp_mem), which is %s for each of %s connections", size(total), size(total/conns), count(conns)),
		sysctl("net.ipv4.tcp_mem", fmt.Sprintf("'%d %d %d'", want/2, want*3/4, want)))
	for _, name := range []string{"tcp_rmem", "tcp_wmem"} {
		if b := e.numbers("proc/sys/net/ipv4/" + name); len(b) == 3 {
			e.note(name, b[0] >= leastBuffers, fmt.Sprintf("net.ipv4.%s: a buffer has at least %s, at first up to %s, and at most %s", name, size(b[0]), size(b[1]), size(b[2])),
				sysctl("net.ipv4."+name, fmt.Sprintf("'%d %d %d'", leastBuffers, b[1], b[2])))
		}
	}
}

// backlog is how many connections may wait. Further ones are tried again by the client after a second or more.
func (e *examiner) backlog() {
	for _, s := range []struct{ setting, name, what string }{
		{"net.core.", "somaxconn", "connections may wait until the server accepts them"},
		{"net.ipv4.", "tcp_max_syn_backlog", "connections may be half open"},
	} {
		if n, ok := e.sysctl(s.setting + s.name); ok {
			e.note(s.name, n >= goodBacklog, fmt.Sprintf("%s %s; when many clients come back at once, %s are good", count(n), s.what, count(goodBacklog)),
				sysctl(s.setting+s.name, goodBacklog))
		}
	}
}

// ports is how many connections a proxy can have to one address and port of the server.
func (e *examiner) ports() {
	r := e.numbers("proc/sys/net/ipv4/ip_local_port_range")
	if len(r) != 2 || r[1] < r[0] {
		return
	}
	n := r[1] - r[0] + 1
	e.note("ports of a proxy", n >= int64(e.options.MaxConns),
		fmt.Sprintf("a proxy on this machine has at most %s connections from one address to one port of the server", count(n)),
		"let the proxy use a Unix socket (-addr unix:/run/fanfare/fanfare.sock), or several ports of the server",
		sysctl("net.ipv4.ip_local_port_range", "'1024 65535'"))
}
