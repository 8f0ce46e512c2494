package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// memoryLine writes the server's memory at each stage in one row.
func memoryLine(t *table, stages []stage) {
	parts := make([]string, len(stages))
	for i := range stages {
		parts[i] = stages[i].Server.RSS.text() + " " + stages[i].Name
	}
	t.row("memory, server's RSS", "%s", strings.Join(parts, ", "))
}

// memoryTables writes a table for each number of connections of -at and -n.
func memoryTables(t *table, stages []stage) {
	known, from := false, 1
	for i := 2; i <= len(stages); i++ {
		if i == len(stages) || stages[i].Name == stageConnected {
			known = memoryTable(t, append(stages[:1:1], stages[from:i]...)) || known
			from = i
		}
	}
	if known {
		t.WriteString(kernelFootnote)
	}
}

// memoryTable writes a column for each stage. It reports whether a figure of the kernel's memory is known.
func memoryTable(t *table, stages []stage) (known bool) {
	head := make([]string, len(stages))
	widths := make([]int, len(stages))
	for i, s := range stages {
		head[i] = s.Name
		widths[i] = max(12, utf8.RuneCountInString(s.Name))
	}
	t.WriteString("\n")
	t.columns("memory", widths, head)
	for _, m := range []struct {
		name string
		of   func(*stage) *amount
	}{
		{"server, RSS", func(s *stage) *amount { return &s.Server.RSS }},
		{"server, PSS", func(s *stage) *amount { return &s.Server.PSS }},
		{"server, heap", func(s *stage) *amount { return &s.Server.Heap }},
		{"server, stacks", func(s *stage) *amount { return &s.Server.Stacks }},
		{"kernel, socket objects*", func(s *stage) *amount { return &s.Kernel.SocketObjects }},
		{"kernel, TCP buffers*", func(s *stage) *amount { return &s.Kernel.TCPBuffers }},
		{"kernel, all slabs*", func(s *stage) *amount { return &s.Kernel.Slab }},
	} {
		if m.of(&stages[0]).Total == unknown && strings.HasPrefix(m.name, "server, ") {
			continue
		}
		var total, over, each []string
		for i := range stages {
			a := m.of(&stages[i])
			total = append(total, a.text())
			over = append(over, a.overText())
			each = append(each, a.eachText())
			known = known || a.Total != unknown
		}
		t.columns(m.name, widths, total)
		t.columns("  more than before", widths, over)
		t.columns("  per connection", widths, each)
	}
	if g := stages[0].Server.Goroutines; g.Total != unknown {
		var total []string
		for i := range stages {
			total = append(total, comma(stages[i].Server.Goroutines.Total))
		}
		t.columns("server, goroutines", widths, total)
	}
	return known
}

const kernelFootnote = `
  * of the whole machine, and so of both ends of each connection if the server runs on it.
    Socket objects: the slab caches TCP, TCPv6, sock_inode_cache, filp (/proc/slabinfo,
    root only). TCP buffers: data in and for sockets (/proc/net/sockstat). All slabs:
    these and all other caches (/proc/meminfo), so the work of other programs is in it.
`

func (a *amount) text() string {
	if a.Total == unknown {
		return "unknown"
	}
	return bytesText(a.Total)
}

func (a *amount) overText() string {
	if a.Over == nil {
		return ""
	}
	return bytesText(*a.Over)
}

func (a *amount) eachText() string {
	if a.PerConnection == nil {
		return ""
	}
	return fmt.Sprintf("%s B", comma(int64(*a.PerConnection+0.5)))
}
