package metrics

import (
	"fmt"
	"io"
	"strings"
)

// WriteTable writes the table of the documentation, in Markdown.
func WriteTable(w io.Writer) {
	fmt.Fprint(w, "| metric | type | labels | meaning | when to worry |\n|---|---|---|---|---|\n")
	for _, m := range All() {
		var labels []string
		for _, l := range m.Labels {
			text := "`" + l.Name + "`"
			if l.Values != "" {
				text += ": " + l.Values
			}
			labels = append(labels, text)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Type, strings.Join(labels, "; "), strings.TrimSuffix(m.Help, "."), m.Worry)
	}
}

// join returns a list as Label.Values has it.
func join(all []string) string { return strings.Join(all, ", ") }
