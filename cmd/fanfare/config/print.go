package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteValues writes values in force with their sources, one a line: all of them, or those that differ from their defaults. It
// returns how many it has left out. Secrets are masked.
func (c *Config) WriteValues(w io.Writer, all bool) (left int) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	v, without := valueOf(c), valueOf(Default())
	for _, f := range settings().fields {
		value := f.of(v)
		if !all && equal(value, f.of(without)) && !c.matters(f) {
			left++
			continue
		}
		if !f.rows() || value.Len() == 0 {
			fmt.Fprintf(t, "%s\t%s\t%s\n", f.path, f.format(value), c.Source(f.path))
			continue
		}
		for i := range value.Len() {
			path := fmt.Sprintf("%s[%d]", f.path, i)
			fmt.Fprintf(t, "%s\t%s\t%s\n", path, formatRow(value.Index(i)), c.Source(path))
		}
	}
	t.Flush()
	return left
}

// matters reports whether a field is given, even if with its default, and that is not the same as to give nothing.
func (c *Config) matters(f *field) bool {
	return f.tag.Get("unless") == "given" && c.Explicit(f.path)
}

// format returns a value of a field as it stands in the file, without what may be secret.
func (f *field) format(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return quote(f.mask(x))
	case Secret:
		return quote(x.String())
	case time.Duration:
		return quote(formatTime(x))
	case Size:
		if text := x.String(); strings.HasSuffix(text, "B") {
			return quote(text)
		}
		return fmt.Sprint(int(x))
	case *bool:
		return fmt.Sprint(*x)
	case []string:
		var all []string
		for _, s := range x {
			all = append(all, quote(f.mask(s)))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	if v.Kind() == reflect.Slice {
		return "[]"
	}
	return fmt.Sprint(v.Interface())
}

// formatRow returns the columns of a row that are given, as a table of one line.
func formatRow(row reflect.Value) string {
	var all []string
	for _, col := range columns[row.Type()].fields {
		if v := col.of(row); !v.IsZero() {
			all = append(all, col.key+" = "+col.format(v))
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// formatTime returns a duration without units of which there are none: 2m, not 2m0s.
func formatTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// quote returns a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
