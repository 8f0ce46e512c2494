package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// document is a place in the project that shows figures of the report, between two lines of a file.
type document struct {
	file       string
	begin, end string
	text       func(*report) string
}

// documents are all such places. Nothing keeps figures in other places up to date.
var documents = []document{
	{"README.md", "<!-- figures of bench/results: memory -->\n", "<!-- end of figures -->\n", (*report).memoryFigures},
	{"README.md", "<!-- figures of bench/results: comparison -->\n", "<!-- end of figures -->\n", (*report).comparisonFigures},
	{"wsproto/doc.go", "(go run -C bench . figures measures it again):\n//\n", "//\n", (*report).tlsFigures},
}

// errNoPlace returns the error for a document without its marks.
func (d *document) errNoPlace() error {
	return fmt.Errorf("%s has no place for figures; it must have the line %q, and after it %q", d.file, d.begin, d.end)
}

// place returns the range between the marks.
func (d *document) place(content []byte) (from, to int, err error) {
	from = bytes.Index(content, []byte(d.begin))
	if from < 0 {
		return 0, 0, d.errNoPlace()
	}
	from += len(d.begin)
	size := bytes.Index(content[from:], []byte(d.end))
	if size < 0 {
		return 0, 0, d.errNoPlace()
	}
	return from, from + size, nil
}

// writeDocuments writes the figures of the report into all documents below a directory.
func (r *report) writeDocuments(dir string) error {
	for i := range documents {
		d := &documents[i]
		file := filepath.Join(dir, d.file)
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		from, to, err := d.place(content)
		if err != nil {
			return err
		}
		text := string(content[:from]) + d.text(r) + string(content[to:])
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// shown is a figure with its name.
type shown struct {
	name  string
	value float64
}

// memoryRow returns RSS per connection after an echo on each, of one of Fanfare's rows.
func (r *report) memoryRow(name, server string) []shown {
	if len(r.weighed()) == 0 {
		return nil
	}
	row := r.largest().find(server)
	if row == nil || !row.ranked {
		return nil
	}
	return []shown{{name, row.Figures[echoed.at(rss)].Median}}
}

// memoryFigures returns the memory of a connection, for README.md.
func (r *report) memoryFigures() string {
	var all []shown
	if own := r.largest().find(ours); own != nil && own.ranked {
		all = append(all, shown{"connected, and idle", own.Figures[connected.at(rss)].Median})
	}
	for _, row := range [][2]string{{"after an echo on each", ours}, {"subscribed to a topic", "fanfare-topic"},
		{"over TLS 1.2", "fanfare-tls12"}, {"over TLS 1.3", "fanfare-tls"}} {
		all = append(all, r.memoryRow(row[0], row[1])...)
	}
	if own := r.largest().find(ours); own != nil {
		if k, ok := own.Figures[echoed.at(kernel)]; ok {
			all = append(all, shown{"the kernel's socket", k.Median})
		}
	}
	most := 0.0
	for _, s := range all {
		most = max(most, s.value)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nResident memory (RSS) of the server process for each of %s connections, over the empty server,\non %d cores, %s, %s:\n\n",
		comma(r.largest().Connections), r.Machine.Cores, minor(r.Machine.Kernel), cmp.Or(strings.Replace(r.Machine.Go, "go", "Go ", 1), "Go"))
	for i, s := range all {
		if i == len(all)-1 && s.name == "the kernel's socket" {
			b.WriteByte('\n')
		}
		const width = 45
		fmt.Fprintf(&b, "    %-22s  %8s  %s\n", s.name, bytesEach(s.value), strings.Repeat("█", max(1, int(width*s.value/most+0.5))))
	}
	if own := r.largest().find(ours); own != nil {
		if cpu, ok := own.Figures[idleCPU]; ok {
			fmt.Fprintf(&b, "\n    CPU time each second      %.2f µs, with a ping every 25 s\n", cpu.Median)
		}
	}
	return b.String() + "\n"
}

// minor returns Linux 6.18 for Linux 6.18.44-something.
func minor(kernel string) string {
	parts := strings.SplitN(kernel, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// comparisonFigures returns the table in README.md.
func (r *report) comparisonFigures() string {
	g, _ := r.summary()
	return "\n" + g.markdown() + "\n"
}

// tlsFigures returns the memory of a connection with TLS, for the documentation of package wsproto.
func (r *report) tlsFigures() string {
	var b strings.Builder
	for _, row := range [][2]string{{"ws://", ours}, {"wss://, TLS 1.2", "fanfare-tls12"}, {"wss://, TLS 1.3", "fanfare-tls"}} {
		for _, s := range r.memoryRow(row[0], row[1]) {
			fmt.Fprintf(&b, "//\t%-16s  %8s\n", s.name, bytesEach(s.value))
		}
	}
	return b.String()
}
