package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// decode sets the fields that a table of the file has.
func (l *loader) decode(table *node, prefix string) {
	s := settings()
	for _, key := range table.keys {
		path, child := join(prefix, key), table.table[key]
		f := s.byPath[path]
		switch {
		case f != nil && f.inFile:
			l.decodeField(f, child)
		case !s.isTable(path):
			l.report(path, l.at(child), ": this is not a setting"+suggestField(path, s))
		case child.table == nil:
			l.report(path, l.at(child), fmt.Sprintf(" is %s; it must be a table: write [%s]", child.show("a value", s.hasSecret(path)), path))
		default:
			l.decode(child, path)
		}
	}
}

// isTable reports whether there are fields below a path.
func (s *schema) isTable(path string) bool {
	for _, f := range s.fields {
		if strings.HasPrefix(f.path, path+".") {
			return true
		}
	}
	return false
}

// hasSecret reports whether there is a secret below a path, or in a row below it. All is below the empty path.
func (s *schema) hasSecret(path string) bool {
	for _, f := range s.fields {
		below := path == "" || strings.HasPrefix(f.path, path+".")
		if below && (f.secret || f.hostOnly || f.rows() && columns[f.typ.Elem()].hasSecret("")) {
			return true
		}
	}
	return false
}

func (l *loader) at(n *node) Source { return Source{FromFile, l.file, n.line} }

// decodeField sets a field to a value of the file.
func (l *loader) decodeField(f *field, n *node) {
	v := f.of(l.value)
	l.replace(f, l.at(n))
	switch {
	case f.rows():
		l.decodeRows(f, v, n)
	case f.typ.Kind() == reflect.Slice:
		l.decodeList(f, v, f.path, n)
	default:
		l.decodeScalar(f, v, f.path, n)
	}
}

// decodeScalar sets a value. It reports a mistake, and then the value remains what it was.
func (l *loader) decodeScalar(f *field, v reflect.Value, path string, n *node) {
	if f.typ == reflect.TypeFor[time.Duration]() && n.isNumber() {
		l.report(path, l.at(n), fmt.Sprintf(": a unit is missing: write \"%ss\" for seconds, or \"%[1]sms\", \"%[1]sm\" or \"%[1]sh\"", n.text))
		return
	}
	if right := wants(f.typ, n); right != "" {
		l.report(path, l.at(n), fmt.Sprintf(" is %s; it must be %s", n.show("not a text", f.secret), right))
		return
	}
	l.try(path, l.at(n), func() error { return set(v, f.tag, n.text) }, v)
}

// isNumber reports whether a value is a number, in quotes or not.
func (n *node) isNumber() bool {
	_, err := strconv.ParseFloat(n.text, 64)
	return err == nil && n.text != "0" && (n.kind == unstable.Integer || n.kind == unstable.Float || n.kind == unstable.String)
}

// wants returns what a value of the file must be if it is of the wrong type.
func wants(t reflect.Type, n *node) string {
	is := func(kinds ...unstable.Kind) bool {
		for _, k := range kinds {
			if n.kind == k {
				return true
			}
		}
		return false
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return unless(is(unstable.String), `a duration in quotes, such as "500ms", "10s" or "2m"`)
	case t == reflect.TypeFor[Size]():
		return unless(is(unstable.String, unstable.Integer), `a number of bytes such as 65536 or "64KiB"`)
	case t.Kind() == reflect.Int:
		return unless(is(unstable.Integer), "a whole number, without quotes")
	case t.Kind() == reflect.Bool || t.Kind() == reflect.Pointer:
		return unless(is(unstable.Bool), "true or false, without quotes")
	}
	return unless(is(unstable.String), "a text in quotes")
}

func unless(right bool, what string) string {
	if right {
		return ""
	}
	return what
}

// decodeList sets a list of texts. A text with commas is a list, too.
func (l *loader) decodeList(f *field, v reflect.Value, path string, n *node) {
	if n.kind == unstable.String {
		l.try(path, l.at(n), func() error { return set(v, f.tag, n.text) }, v)
		return
	}
	list := []string{}
	for _, item := range n.items {
		l.config.sources[fmt.Sprintf("%s[%d]", path, len(list))] = l.at(item)
		if item.kind != unstable.String {
			l.report(path, l.at(item), fmt.Sprintf(" has %s; it must have texts in quotes", item.describe()))
			continue
		}
		list = append(list, item.text)
	}
	if n.kind != unstable.Array {
		l.report(path, l.at(n), fmt.Sprintf(" is %s; it must be a list of texts, such as [\"a\", \"b\"]", n.describe()))
		return
	}
	v.Set(reflect.ValueOf(list))
}

// decodeRows appends the rows of an array of tables. A row can be a text in the form of the flag, too.
func (l *loader) decodeRows(f *field, v reflect.Value, n *node) {
	items := n.items
	if n.kind != unstable.Array {
		items = []*node{n}
	}
	for _, item := range items {
		switch {
		case item.table != nil:
			l.decodeRow(f, v, item)
		case item.kind == unstable.String && f.flag != "":
			l.try(f.path, l.at(item), func() error { return set(v, f.tag, item.text) }, v)
			l.rowSources(f, v, l.at(item))
		default:
			l.report(f.path, l.at(item), fmt.Sprintf(" is %s; it must be a table: write [[%s]]", item.show("a value", columns[f.typ.Elem()].hasSecret("")), f.path))
		}
	}
}

// decodeRow appends a row that is a table.
func (l *loader) decodeRow(f *field, v reflect.Value, n *node) {
	row, s := reflect.New(f.typ.Elem()).Elem(), columns[f.typ.Elem()]
	path := fmt.Sprintf("%s[%d]", f.path, v.Len())
	l.config.sources[path] = l.at(n)
	for _, key := range n.keys {
		col, child := s.byPath[key], n.table[key]
		at := join(path, key)
		l.config.sources[at] = l.at(child)
		switch {
		case col == nil:
			l.report(at, l.at(child), ": this is not a setting"+suggestField(key, s))
		case col.typ.Kind() == reflect.Slice:
			l.decodeList(col, col.of(row), at, child)
		default:
			l.decodeScalar(col, col.of(row), at, child)
		}
	}
	l.checkRow(row, path)
	v.Set(reflect.Append(v, row))
}

// checkRow reports a topic whose columns are of the right types and cannot be right.
func (l *loader) checkRow(row reflect.Value, path string) {
	t, ok := row.Addr().Interface().(*Topic)
	if !ok {
		return
	}
	for _, e := range t.check() {
		at := join(path, e.column)
		from, there := l.config.sources[at]
		if !there {
			from = l.config.sources[path]
		}
		if l.good(at) {
			l.report(at, from, ": "+e.err.Error())
		}
	}
}

// rowSources notes where the rows come from that have no source yet.
func (l *loader) rowSources(f *field, v reflect.Value, from Source) {
	for i := range v.Len() {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		if _, there := l.config.sources[path]; !there {
			l.config.sources[path] = from
		}
	}
}

// show returns a value for an error; instead, if the value is a secret or may contain one.
func (n *node) show(instead string, secret bool) string {
	if secret && n.table == nil && n.kind != unstable.Array {
		return instead
	}
	return n.describe()
}

// describe returns a value for an error.
func (n *node) describe() string {
	switch {
	case n.table != nil:
		return "a table"
	case n.kind == unstable.Array:
		return "a list"
	case n.kind == unstable.String:
		return fmt.Sprintf("%.100q", n.text)
	}
	return fmt.Sprintf("%.100s", n.text)
}
