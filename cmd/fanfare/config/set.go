package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// rangeError is that a value is of the right type, but not one that is allowed.
type rangeError struct{ value, right string }

func (e *rangeError) Error() string { return "it must " + e.right }

// set sets a value to what a text says. Lists and rows grow by what it says.
func set(v reflect.Value, tag reflect.StructTag, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *Secret:
		*p = Secret(text)
	case *bool:
		return setBool(p, text)
	case **bool:
		*p = new(bool)
		return setBool(*p, text)
	case *int:
		return setInt(p, tag, text)
	case *Size:
		return setSize(p, tag, text)
	case *time.Duration:
		return setDuration(p, tag, text)
	case *[]string:
		setList(p, text)
	case *[]Listener:
		return setListeners(p, text)
	case *[]Topic:
		r, err := ParseTopic(text)
		if err == nil {
			*p = append(*p, r)
		}
		return err
	default:
		panic("config: a field has the type " + v.Type().String())
	}
	return nil
}

func setBool(p *bool, text string) error {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		*p = true
	case "false", "off", "no", "0":
		*p = false
	default:
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}

func setInt(p *int, tag reflect.StructTag, text string) error {
	n, err := strconv.ParseInt(text, 0, strconv.IntSize)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%q: the number is too large", text)
	case err != nil && tag.Get("unit") != "":
		return fmt.Errorf("%q is not a %s", text, tag.Get("unit"))
	case err != nil:
		return fmt.Errorf("%q: it must be a whole number", text)
	}
	*p = int(n)
	return checkLeast(tag, n, strconv.Itoa(int(n)), tag.Get("min"))
}

func setSize(p *Size, tag reflect.StructTag, text string) error {
	n, err := daemon.ParseSize(text)
	if err != nil {
		return err
	}
	*p = Size(n)
	least := tag.Get("min")
	if m, err := daemon.ParseSize(least); err == nil {
		least = Size(m).String() + ", such as 65536, 64KiB or 4MiB"
	}
	if least == "1, such as 65536, 64KiB or 4MiB" {
		least = "1 byte, such as 65536, 64KiB or 4MiB"
	}
	return checkLeast(tag, int64(n), p.String(), least)
}

// checkLeast returns an error if n is below the minimum of the tag.
func checkLeast(tag reflect.StructTag, n int64, value, least string) error {
	minimum, given := tag.Lookup("min")
	m, _ := strconv.ParseInt(minimum, 10, 64)
	switch {
	case !given || n >= m:
		return nil
	case m == 0:
		return &rangeError{value, "not be negative"}
	case tag.Get("unit") != "":
		return &rangeError{value, "be a " + tag.Get("unit") + ", at least " + least}
	}
	return &rangeError{value, "be at least " + least}
}

func setDuration(p *time.Duration, tag reflect.StructTag, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return daemon.DurationError(text)
	}
	*p = d
	switch minimum := tag.Get("min"); {
	case minimum == "0" && d < 0:
		return &rangeError{d.String(), "not be negative"}
	case minimum == "1" && d <= 0:
		return &rangeError{d.String(), "be above 0, such as 10s or 2m"}
	}
	return nil
}

// setList appends the words of a list with commas. The word none alone makes an empty list.
func setList(p *[]string, text string) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	if len(words) == 1 && words[0] == "none" {
		words = nil
	}
	if *p == nil {
		*p = []string{}
	}
	*p = append(*p, words...)
}
