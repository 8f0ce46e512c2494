package config

import (
	"reflect"
	"strings"
	"sync"
	"unicode"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
)

// field is a setting: a field of [Config] or of a struct in it.
type field struct {
	path  string // in the file, such as limits.max-message; it names the field everywhere
	key   string // the last part of path
	index []int
	typ   reflect.Type
	tag   reflect.StructTag
	group string

	flag, env   string
	inFile      bool
	live        bool // it can change while the server runs
	secret      bool
	hostOnly    bool // a URL of which only scheme and host may be shown
	placeholder string
	help        string
}

// of returns the field of a value.
func (f *field) of(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

// mask returns a text of the field without what may be secret.
func (f *field) mask(text string) string {
	if f.hostOnly {
		return httpurl.HostOnly(text)
	}
	return httpurl.Mask(text)
}

// rows reports whether the field is a list of structs: tables of the file.
func (f *field) rows() bool {
	return f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct
}

// schema is what fields there are: those of Config, or those of a row.
type schema struct {
	fields []*field // in the order of the struct
	byPath map[string]*field
}

// settings are the fields of Config, with their flags and variables.
var settings = sync.OnceValue(func() *schema {
	s := newSchema(reflect.TypeFor[Config]())
	nameFlags(s)
	return s
})

// columns are the fields of a row.
var columns = map[reflect.Type]*schema{
	reflect.TypeFor[Listener](): newSchema(reflect.TypeFor[Listener]()),
	reflect.TypeFor[Topic]():    newSchema(reflect.TypeFor[Topic]()),
	reflect.TypeFor[Key]():      newSchema(reflect.TypeFor[Key]()),
}

func newSchema(t reflect.Type) *schema {
	s := &schema{byPath: make(map[string]*field)}
	s.add(t, nil, "", "")
	return s
}

// add adds the fields of a struct, whose table in the file has that name.
func (s *schema) add(t reflect.Type, index []int, table, group string) {
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		at := append(append([]int(nil), index...), i)
		key := keyOf(sf)
		in := group
		if g := sf.Tag.Get("group"); g != "" {
			in = g
		}
		path := join(table, key)
		switch {
		case sf.Anonymous:
			s.add(sf.Type, at, table, in)
		case sf.Type.Kind() == reflect.Struct:
			s.add(sf.Type, at, path, in)
		default:
			s.put(&field{path: path, key: key, index: at, typ: sf.Type, tag: sf.Tag, group: in, inFile: sf.Tag.Get("toml") != "-"})
		}
	}
}

// keyOf returns the key of a field in the file, or the name of its flag if it cannot be in the file.
func keyOf(sf reflect.StructField) string {
	switch key := sf.Tag.Get("toml"); key {
	case "":
		return kebab(sf.Name)
	case "-":
		return sf.Tag.Get("name")
	default:
		return key
	}
}

func (s *schema) put(f *field) {
	_, f.live = f.tag.Lookup("live")
	_, f.secret = f.tag.Lookup("secret")
	f.hostOnly = f.tag.Get("shown") == "host"
	f.placeholder, f.help = f.tag.Get("placeholder"), f.tag.Get("help")
	s.fields = append(s.fields, f)
	s.byPath[f.path] = f
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// kebab returns the key for the name of a field: max-message for MaxMessage, ca for CA.
func kebab(name string) string {
	var b strings.Builder
	before := ' '
	for i, r := range name {
		next := 'a'
		if i+1 < len(name) {
			next = rune(name[i+1])
		}
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(before) || unicode.IsLower(next) && i+1 < len(name)) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
		before = r
	}
	return b.String()
}
