package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// setRow sets the columns of a row to what the words of a text say: the first column's value, and key=value for others.
func setRow(row reflect.Value, what string, words []string) error {
	cols := columns[row.Type()]
	if err := set(cols.fields[0].of(row), cols.fields[0].tag, words[0]); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		col := cols.byPath[key]
		switch {
		case col == nil || col == cols.fields[0]:
			return fmt.Errorf("%q is not an option of %s; the options are %s", word, what, optionHelp(cols))
		case seen[key]:
			return fmt.Errorf("option %q is given twice", key)
		}
		seen[key] = true
		if err := setOption(col, row, word, value); err != nil {
			return fmt.Errorf("%q: %w", word, err)
		}
	}
	return nil
}

// setOption sets a column to the value of key=value. An option that is a bool has no value.
func setOption(col *field, row reflect.Value, word, value string) error {
	switch {
	case col.typ.Kind() == reflect.Bool && strings.Contains(word, "="):
		return errors.New(col.key + " does not take a value")
	case col.typ.Kind() == reflect.Bool:
		col.of(row).SetBool(true)
		return nil
	case col.typ.Kind() == reflect.String && value == "":
		return fmt.Errorf("write %s=%s, which says %s", col.key, col.placeholder, col.help)
	}
	return set(col.of(row), col.tag, value)
}

// optionHelp lists the options of a row.
func optionHelp(cols *schema) string {
	var all []string
	for _, col := range cols.fields[1:] {
		switch {
		case col.typ.Kind() == reflect.Bool:
			all = append(all, col.key)
		default:
			all = append(all, col.key+"="+col.placeholder)
		}
	}
	return strings.Join(all, " ")
}

// setListeners appends the listeners of a text with commas.
func setListeners(p *[]Listener, text string) error {
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		var l Listener
		if err := setRow(reflect.ValueOf(&l).Elem(), "listeners", words); err != nil {
			return err
		}
		*p = append(*p, l)
	}
	if len(*p) == 0 {
		return errors.New("the address is empty; write host:port, :port or unix:/path")
	}
	return nil
}

// ParseTopic parses the value of -topic: PATTERN key=value ...
func ParseTopic(s string) (Topic, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Topic{}, errors.New("the rule is empty; write a pattern and the options of its topics, such as 'news.> history=100'")
	}
	var t Topic
	if err := setRow(reflect.ValueOf(&t).Elem(), "topics", words); err != nil {
		return t, err
	}
	all := t.check()
	if len(all) == 0 {
		return t, nil
	}
	first := all[0]
	for _, word := range words {
		if strings.HasPrefix(word, first.column+"=") {
			return t, fmt.Errorf("%q: %w", word, first.err)
		}
	}
	return t, first.err
}
