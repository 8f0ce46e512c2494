package chat

import (
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The table in README.md has each field with its default.
func TestLimitsOfReadme(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	stated := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| [^|]*: `([A-Z]\\w*)`[^|]*\\| [^|]* \\| (\\d+)").FindAllStringSubmatch(string(b), -1) {
		stated[m[1]] = m[2]
	}
	v := reflect.ValueOf(Limits{}.WithDefaults())
	for i := range v.NumField() {
		name, want := v.Type().Field(i).Name, strconv.FormatInt(v.Field(i).Int(), 10)
		if stated[name] != want {
			t.Errorf("README.md has %q for %s, want %s", stated[name], name, want)
		}
		delete(stated, name)
	}
	if len(stated) > 0 {
		t.Errorf("README.md has limits without fields: %v", stated)
	}
	for i := range v.NumField() {
		l := Limits{}
		reflect.ValueOf(&l).Elem().Field(i).SetInt(-1)
		if got := reflect.ValueOf(l.WithDefaults()).Field(i).Int(); got != unlimited {
			t.Errorf("%s: -1 becomes %d, want no limit", v.Type().Field(i).Name, got)
		}
	}
}

// Validate names the field that is invalid, and New returns its error.
func TestLimitsValidate(t *testing.T) {
	for field, l := range map[string]Limits{
		"": {}, "Messages": {Messages: maxRate + 1}, "Requests": {Requests: math.MaxInt}, "Uncommitted": {Uncommitted: 5000},
		"Limits.Uncommitted is 64": {AllUncommitted: 10},
	} {
		err := l.Validate()
		if (err == nil) != (field == "") || err != nil && !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: %v, want an error about %q", l, err, field)
		}
	}
	for _, l := range []Limits{{Messages: -1}, {Messages: maxRate}, {Uncommitted: -1}, {AllUncommitted: -1}} {
		if err := l.Validate(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if c, err := New(Options{Limits: Limits{Messages: maxRate + 1}}); err == nil {
		c.Close()
		t.Error("New accepts invalid limits")
	}
}
