package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

const templateHead = `# The settings of fanfare, with their defaults. A flag or a variable overrides a value here; each comment ends with their
# names. Sizes are numbers of bytes or texts such as "64KiB", times are texts such as "500ms", "10s" or "2m".
# fanfare check -config FILE checks such a file. SIGHUP makes a running server read it again; "restart" marks the settings
# that need a restart.
`

// WriteTemplate writes a file with all settings, their defaults and what they mean.
func WriteTemplate(w io.Writer) {
	fmt.Fprint(w, templateHead)
	v, table := reflect.ValueOf(Default()).Elem(), ""
	for _, rows := range []bool{false, true} { // in TOML, what follows [[topic]] would belong to it
		for _, f := range settings().fields {
			if !f.inFile || rows != (f.rows() && f.tag.Get("default") == "") {
				continue
			}
			if in := strings.TrimSuffix(strings.TrimSuffix(f.path, f.key), "."); in != table && !rows {
				table = in
				fmt.Fprintf(w, "\n[%s]\n", table)
			}
			if rows {
				writeRows(w, f)
				continue
			}
			writeSetting(w, f, f.of(v))
		}
	}
}

func writeSetting(w io.Writer, f *field, v reflect.Value) {
	fmt.Fprintln(w)
	writeComment(w, f.help+f.names())
	text := f.format(v)
	if f.rows() { // as texts in the form of the flag
		text = "[" + quote(f.tag.Get("default")) + "]"
	}
	text = f.key + " = " + text
	if derived := f.tag.Get("derived"); derived != "" {
		writeComment(w, "Default: "+derived)
	}
	if f.differs() {
		text = "# " + text
	}
	fmt.Fprintln(w, text)
}

// differs reports whether to give the default is not the same as to give nothing.
func (f *field) differs() bool { return f.tag.Get("derived") != "" || f.tag.Get("unless") == "given" }

// names returns the names of the flag and of the variable for a comment, and whether a restart is needed.
func (f *field) names() string {
	var all []string
	if f.flag != "" {
		all = append(all, "-"+f.flag, f.env)
	}
	if !f.live {
		all = append(all, "restart")
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// writeRows writes a commented table with all columns.
func writeRows(w io.Writer, f *field) {
	fmt.Fprintln(w)
	writeComment(w, f.help+f.names())
	fmt.Fprintf(w, "#\n# [[%s]]\n", f.path)
	for _, col := range columns[f.typ.Elem()].fields {
		fmt.Fprintf(w, "# %-32s# %s\n", col.key+" = "+col.tag.Get("example"), col.help)
	}
}

// writeComment writes lines of at most 100 letters, if no word is longer.
func writeComment(w io.Writer, text string) {
	for _, line := range wrap(strings.ToUpper(text[:1])+text[1:], 98) {
		fmt.Fprintln(w, "# "+line)
	}
}

// wrap divides a text into lines.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
