package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// node is a value of a TOML document, with the line on which it begins. The decoder of package toml stops at the first
// mistake and forgets the lines; this tree keeps both.
type node struct {
	kind  unstable.Kind // InlineTable for every table
	line  int
	text  string           // of a scalar
	items []*node          // of an array
	keys  []string         // of a table, in order
	table map[string]*node // of a table

	header bool // a table that [..] has defined
	tables bool // an array that [[..]] has made
}

func newTable(line int) *node {
	return &node{kind: unstable.InlineTable, line: line, table: make(map[string]*node)}
}

// document builds a tree.
type document struct {
	text     []byte
	name     string
	root     *node
	current  *node // the table of the last header
	problems Problems
}

// parseDocument parses a file. After a syntax error the tree has what stands before it.
func parseDocument(name string, text []byte) (*node, Problems) {
	d := &document{text: text, name: name, root: newTable(1)}
	d.current = d.root
	var p unstable.Parser
	for p.Reset(text); p.NextExpression(); {
		d.expression(p.Expression())
	}
	if err := p.Error(); err != nil {
		d.syntax(err)
	}
	return d.root, d.problems
}

// checkDocument reports what package toml refuses.
func checkDocument(name string, text []byte) Problems {
	d := &document{text: text, name: name}
	if err := toml.Unmarshal(text, new(map[string]any)); err != nil {
		d.syntax(err)
	}
	return d.problems
}

// syntax reports an error of package toml.
func (d *document) syntax(err error) {
	line, text := 1+bytes.Count(d.text, []byte("\n")), strings.TrimPrefix(err.Error(), "toml: ")
	var p *unstable.ParserError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &p):
		line, text = d.lineAt(cap(d.text)-cap(p.Highlight)), p.Message
	case errors.As(err, &decode):
		line, _ = decode.Position()
	}
	d.report(line, "this is not TOML: "+text)
}

func (d *document) report(line int, text string) {
	d.problems = append(d.problems, Problem{Source: Source{FromFile, d.name, line}, Text: ": " + text})
}

func (d *document) lineAt(offset int) int {
	return 1 + bytes.Count(d.text[:min(max(offset, 0), len(d.text))], []byte("\n"))
}

// keys returns the parts of a key, and its line.
func (d *document) keys(n *unstable.Node) (parts []string, line int) {
	for it := n.Key(); it.Next(); {
		if parts == nil {
			line = d.lineAt(int(it.Node().Raw.Offset))
		}
		parts = append(parts, string(it.Node().Data))
	}
	return parts, line
}

func (d *document) expression(n *unstable.Node) {
	parts, line := d.keys(n)
	switch n.Kind {
	case unstable.KeyValue:
		d.keyValue(d.current, parts, line, n.Value())
	case unstable.Table:
		d.current = d.header(parts, line)
	case unstable.ArrayTable:
		d.current = d.arrayHeader(parts, line)
	}
}

// keyValue puts a value into a table.
func (d *document) keyValue(table *node, parts []string, line int, value *unstable.Node) {
	table = d.descend(table, parts[:len(parts)-1], line)
	d.put(table, parts[len(parts)-1], strings.Join(parts, "."), d.value(value, line))
}

// put adds a child, unless the table has one of that name.
func (d *document) put(table *node, key, name string, child *node) {
	if before := table.table[key]; before != nil {
		d.report(child.line, fmt.Sprintf("%s is given again; line %d has it, too", name, before.line))
		return
	}
	table.keys, table.table[key] = append(table.keys, key), child
}

// descend returns the table below another one, and creates it if there is none. Of an array of tables it is the last one.
func (d *document) descend(table *node, parts []string, line int) *node {
	for _, key := range parts {
		child := table.table[key]
		if child == nil {
			child = newTable(line)
			d.put(table, key, key, child)
		}
		if child.tables {
			child = child.items[len(child.items)-1]
		}
		if child.table == nil {
			d.report(line, fmt.Sprintf("%s is a value in line %d; it cannot be a table, too", key, child.line))
			return newTable(line)
		}
		table = child
	}
	return table
}

func (d *document) header(parts []string, line int) *node {
	table := d.descend(d.root, parts[:len(parts)-1], line)
	key := parts[len(parts)-1]
	before := table.table[key]
	table = d.descend(table, []string{key}, line)
	if before != nil && (before.header || before.tables) {
		d.report(line, fmt.Sprintf("[%s] is given again; line %d has it, too", strings.Join(parts, "."), before.line))
	}
	table.header = true
	return table
}

func (d *document) arrayHeader(parts []string, line int) *node {
	table, key := d.descend(d.root, parts[:len(parts)-1], line), parts[len(parts)-1]
	array, one := table.table[key], newTable(line)
	switch {
	case array == nil:
		array = &node{kind: unstable.Array, line: line, tables: true}
		d.put(table, key, key, array)
	case !array.tables:
		d.report(line, fmt.Sprintf("[[%s]] is given again; line %d has it, too", strings.Join(parts, "."), array.line))
		return one
	}
	array.items = append(array.items, one)
	return one
}

// value returns the tree of a value whose key has that line.
func (d *document) value(n *unstable.Node, line int) *node {
	if n.Raw.Length > 0 {
		line = d.lineAt(int(n.Raw.Offset))
	}
	v := &node{kind: n.Kind, line: line, text: string(n.Data)}
	switch n.Kind {
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			v.items = append(v.items, d.value(it.Node(), line))
		}
	case unstable.InlineTable:
		v.table = make(map[string]*node)
		for it := n.Children(); it.Next(); {
			parts, line := d.keys(it.Node())
			d.keyValue(v, parts, line, it.Node().Value())
		}
	}
	return v
}
