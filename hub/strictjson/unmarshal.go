package strictjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// typeError is the error for a value of the wrong type.
type typeError struct {
	field string // the name of the innermost member; "" for the text itself
	kind  string // the type that the value has
	want  string // the type that it must have, in words
}

func (e *typeError) Error() string {
	field := "the text"
	if e.field != "" {
		field = fmt.Sprintf("%q", e.field)
	}
	return fmt.Sprintf("%s is a JSON %s; it must be %s", field, e.kind, e.want)
}

// Unmarshal is json.Unmarshal with the rules of this package: b must be one value, and v a
// pointer. It ignores members without a field in v, and leaves a field as it was if its member
// is null. It decodes all members even if one has the wrong type, and then returns an error for
// the first such member. If b is invalid or nested too deeply, the error is that of [Check], and
// v is unchanged. Fields of map and interface types, and types with an UnmarshalJSON or
// UnmarshalText method, are left to encoding/json. v does not refer to b afterwards.
func Unmarshal(b []byte, v any) error {
	s := scanner{b: b, most: MaxDepth}
	s.next()
	from := s.i
	_ = s.value() && s.end()
	if err := s.result(); err != nil {
		return err
	}
	text := b[from:]
	for n := len(text); n > 0 && strings.IndexByte(" \t\r\n", text[n-1]) >= 0; n-- {
		text = text[:n-1]
	}
	return Value{text, s.spaces}.Unmarshal(v)
}

// Unmarshal decodes v like the function [Unmarshal].
func (v Value) Unmarshal(to any) error { return v.store("", reflect.ValueOf(to).Elem()) }

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawMessage      = reflect.TypeFor[json.RawMessage]()
)

// store puts the value into to.
func (v Value) store(field string, to reflect.Value) error {
	if v.IsNull() && to.Type() != rawMessage {
		return nil
	}
	switch p := to.Addr().Type(); {
	case to.Type() == rawMessage:
		to.SetBytes(append([]byte(nil), v.Text...))
		return nil
	case p.Implements(jsonUnmarshaler), p.Implements(textUnmarshaler):
		return v.other(field, to)
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return v.store(field, to.Elem())
	case reflect.Struct:
		return v.storeStruct(field, to)
	case reflect.Slice:
		if to.Type().Elem().Kind() != reflect.Uint8 {
			return v.storeSlice(field, to)
		}
	case reflect.String, reflect.Bool:
		return v.storePlain(field, to)
	}
	if to.CanInt() || to.CanUint() {
		return v.storeWhole(field, to)
	}
	return v.other(field, to)
}

func (v Value) wrong(field, want string) error { return &typeError{field, v.Kind(), want} }

func (v Value) storePlain(field string, to reflect.Value) error {
	if to.Kind() == reflect.Bool {
		is, ok := v.Bool()
		if !ok {
			return v.wrong(field, "a boolean")
		}
		to.SetBool(is)
		return nil
	}
	s, ok := v.String()
	switch {
	case !ok && v.Kind() == "string":
		return v.wrong(field, `a string without lone surrogates such as "\ud800"`)
	case !ok:
		return v.wrong(field, "a string")
	}
	to.SetString(s)
	return nil
}

func (v Value) storeWhole(field string, to reflect.Value) error {
	if to.CanInt() {
		if n, ok := v.Int(); ok && !to.OverflowInt(n) {
			to.SetInt(n)
			return nil
		}
	} else if n, ok := v.Uint(); ok && !to.OverflowUint(n) {
		to.SetUint(n)
		return nil
	}
	return v.wrong(field, "an integer that fits into a "+to.Type().String())
}

// other decodes the value with encoding/json.
func (v Value) other(field string, to reflect.Value) error {
	err := json.Unmarshal(v.Text, to.Addr().Interface())
	if wrong, ok := err.(*json.UnmarshalTypeError); ok {
		return v.wrong(field, "a "+wrong.Type.String())
	} else if err != nil {
		return fmt.Errorf("%q: %w", field, err)
	}
	return nil
}

func (v Value) storeSlice(field string, to reflect.Value) error {
	if v.Kind() != "array" {
		return v.wrong(field, "an array")
	}
	all := reflect.MakeSlice(to.Type(), 0, 0)
	var first error
	err := v.Array(func(v Value) {
		one := reflect.New(to.Type().Elem()).Elem()
		if err := v.store(field, one); err != nil && first == nil {
			first = err
		}
		all = reflect.Append(all, one)
	})
	to.Set(all)
	if err != nil {
		return err
	}
	return first
}

func (v Value) storeStruct(field string, to reflect.Value) error {
	if v.Kind() != "object" {
		return v.wrong(field, "an object")
	}
	fields := fieldsOf(to.Type())
	last := make([]Value, len(fields.list))
	err := v.Object(func(name []byte, v Value) {
		if i, known := fields.index[string(name)]; known {
			last[i] = v
		}
	})
	for i, f := range fields.list {
		if last[i].Text == nil {
			continue
		}
		if wrong := last[i].store(f.Name, to.FieldByIndex(f.Index)); wrong != nil && err == nil {
			err = wrong
		}
	}
	return err
}

// fields are the fields of a struct, indexed by their names in JSON.
type fields struct {
	list  []reflect.StructField
	index map[string]int
}

var known sync.Map // of *fields, by reflect.Type

func fieldsOf(t reflect.Type) *fields {
	if f, ok := known.Load(t); ok {
		return f.(*fields)
	}
	all := &fields{index: make(map[string]int)}
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || tag == "-" || f.Anonymous && tag == "" {
			continue
		}
		if tag != "" {
			f.Name = tag
		}
		all.index[f.Name] = len(all.list)
		all.list = append(all.list, f)
	}
	kept, _ := known.LoadOrStore(t, all)
	return kept.(*fields)
}
