package config

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	optionsPage   = "../docs/options.md"
	updateCommand = "go test ./cmd/fanfare/config -run TestOptionsPage -update"
)

var update = flag.Bool("update", false, "write "+optionsPage)

// TestOptionsPage checks that docs/options.md has all settings as they are in Config. With -update it writes the page.
func TestOptionsPage(t *testing.T) {
	var want bytes.Buffer
	writeOptionsPage(&want)
	if *update {
		if err := os.WriteFile(optionsPage, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(optionsPage)
	if err != nil {
		t.Fatalf("%v; to write the page, run: %s", err, updateCommand)
	}
	if string(got) == want.String() {
		return
	}
	t.Errorf("%s is not what the settings of the program are. To write it anew, run: %s", optionsPage, updateCommand)
	is, should := strings.Split(string(got), "\n"), strings.Split(want.String(), "\n")
	for i := range min(len(is), len(should)) {
		if is[i] != should[i] {
			t.Fatalf("line %d is\n%s\nand should be\n%s", i+1, is[i], should[i])
		}
	}
}

// TestOptionsPageIsComplete checks that the page has each flag and each column, with a meaning.
func TestOptionsPageIsComplete(t *testing.T) {
	var page strings.Builder
	writeOptionsPage(&page)
	for _, f := range settings().fields {
		if f.help == "" || !strings.Contains(page.String(), "`"+f.path+"`") && !f.rows() && f.inFile {
			t.Errorf("%s: it is not on the page, or has no help", f.path)
		}
		if f.flag != "" && !(strings.Contains(page.String(), `<a id="`+f.flag+`"></a>`) && strings.Contains(page.String(), "`"+f.env+"`")) {
			t.Errorf("-%s and %s are not on the page", f.flag, f.env)
		}
	}
	for of, cols := range columns {
		for _, col := range cols.fields {
			if col.help == "" || !strings.Contains(page.String(), "\n| `"+col.key+"` |") {
				t.Errorf("%v: %s is not on the page, or has no help", of, col.key)
			}
		}
	}
}

const optionsHead = `# Options of fanfare

Each option is a flag, a variable of the environment and a key in the file. [Configuration](configuration.md) says which
of them counts, and what happens at a reload. [Limits](limits.md) explains how the limits work together, and
[Access](access.md) the rights. This page is generated from the settings of the program, by

    ` + updateCommand + `

| type | how to write it |
|---|---|
| size | bytes: ` + "`65536`, `64k`, `64KiB`, `4MiB`" + ` |
| time | a number and a unit: ` + "`500ms`, `10s`, `2m`, `1h`" + ` |
| list | words with commas between them; in the file, an array of strings. ` + "`none`" + ` is the empty list |
| on or off | a flag alone means on; ` + "`true`, `false`" + ` |

` + "`-help`, `-h` and `-version`" + ` are flags only. "yes" in the column "reload" means that SIGHUP
changes the option while the server runs.
`

// writeOptionsPage writes docs/options.md.
func writeOptionsPage(w io.Writer) {
	fmt.Fprint(w, optionsHead)
	group, v := "", reflect.ValueOf(defaults()).Elem()
	var rows []*field
	for _, f := range byGroup(settings().fields) {
		if f.group != group {
			group = f.group
			fmt.Fprintf(w, "\n## %s\n\n| option | type | default | reload | meaning |\n|---|---|---|---|---|\n", group)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", optionNames(f), typeName(f), defaultText(f, f.of(v)), reloadText(f), sentence(f.help))
		if f.rows() {
			rows = append(rows, f)
		}
	}
	for _, f := range rows {
		writeRowTable(w, f)
	}
}

// byGroup returns the settings in the order of the first setting of each group.
func byGroup(fields []*field) (all []*field) {
	var groups []string
	of := make(map[string][]*field)
	for _, f := range fields {
		if of[f.group] == nil {
			groups = append(groups, f.group)
		}
		of[f.group] = append(of[f.group], f)
	}
	for _, g := range groups {
		all = append(all, of[g]...)
	}
	return all
}

// writeRowTable writes the columns of a list of tables.
func writeRowTable(w io.Writer, f *field) {
	fmt.Fprintf(w, "\n## Tables `[[%s]]`\n\n", f.path)
	cols := columns[f.typ.Elem()].fields
	if f.flag == "" {
		fmt.Fprint(w, "| key | type | meaning |\n|---|---|---|\n")
	} else {
		fmt.Fprintf(w, "The words of `-%s`, or of a text in the file, stand for the keys of a table.\n\n", f.flag)
		fmt.Fprint(w, "| key | word | type | meaning |\n|---|---|---|---|\n")
	}
	for i, col := range cols {
		fmt.Fprintf(w, "| `%s` |", col.key)
		if f.flag != "" {
			fmt.Fprintf(w, " `%s` |", strings.ReplaceAll(wordOf(col, i == 0), "|", `\|`))
		}
		fmt.Fprintf(w, " %s | %s |\n", typeName(col), sentence(col.help))
	}
}

// wordOf returns the form of a column in a text.
func wordOf(col *field, first bool) string {
	switch {
	case first:
		return col.placeholder
	case col.typ.Kind() == reflect.Bool:
		return col.key
	}
	return col.key + "=" + col.placeholder
}

// optionNames returns the names of a setting, with an anchor for links.
func optionNames(f *field) string {
	var names []string
	if f.flag != "" {
		names = append(names, `<a id="`+f.flag+`"></a>`+"`-"+f.flag+"`", "`"+f.env+"`")
	}
	switch {
	case f.rows():
		names = append(names, "[`[["+f.path+"]]`](#tables-"+strings.ReplaceAll(f.path, ".", "")+")")
	case f.inFile:
		names = append(names, "`"+f.path+"`")
	}
	return strings.Join(names, "<br>")
}

// typeName returns what kind of value a field takes, and the least one.
func typeName(f *field) string {
	name, least := strings.ToLower(f.placeholder), f.tag.Get("min")
	switch reflect.Zero(f.typ).Interface().(type) {
	case bool, *bool:
		return "on or off"
	case int:
		name = "number"
	case Size:
		name = "size"
	case time.Duration:
		if name = "time"; least == "1" {
			return "time above 0"
		}
	case []string:
		name = listOf(name)
	case string, Secret:
		if name == "url" {
			name = "URL"
		}
		if name == "" {
			name = "text"
		}
	default: // rows
		name = "tables"
	}
	if least != "" && least != "0" {
		name += ", at least " + least
	}
	return name
}

func listOf(things string) string {
	if things == "" {
		return "list of patterns"
	}
	return "list of " + things
}

// defaultText returns the default of a setting.
func defaultText(f *field, v reflect.Value) string {
	text := f.tag.Get("default")
	switch derived := f.tag.Get("derived"); {
	case derived != "":
		return meaning(derived)
	case v.Kind() == reflect.Bool:
		return "off"
	case text == "" || v.Kind() == reflect.Slice && v.Len() == 0:
		return "none"
	}
	return "`" + text + "`"
}

func reloadText(f *field) string {
	if f.live {
		return "yes"
	}
	return "restart"
}

var (
	quoted  = regexp.MustCompile(`'[^']+'`)
	flagged = regexp.MustCompile(`(^|[ (])-([a-z][a-z-]*[a-z])`)
)

// sentence returns a help text as Markdown that begins with a capital letter.
func sentence(help string) string {
	if word, _, _ := strings.Cut(help, " "); strings.Contains(word, ":") {
		return meaning(help)
	}
	return meaning(strings.ToUpper(help[:1]) + help[1:])
}

// meaning returns a help text as Markdown in a table: what is quoted becomes code, and flags become links.
func meaning(help string) string {
	text := strings.NewReplacer("*", `\*`, "|", `\|`, "<", `\<`).Replace(help)
	text = quoted.ReplaceAllStringFunc(text, func(s string) string { return "`" + strings.ReplaceAll(strings.Trim(s, "'"), `\`, "") + "`" })
	return flagged.ReplaceAllStringFunc(text, func(s string) string {
		m := flagged.FindStringSubmatch(s)
		if _, known := Flags()[m[2]]; !known {
			return s
		}
		return m[1] + "[`-" + m[2] + "`](#" + m[2] + ")"
	})
}
