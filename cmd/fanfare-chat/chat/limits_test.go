package chat

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"testing"
)

// README's table has each field, with its default.
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
			t.Errorf("%s is %q there, and %s", name, stated[name], want)
		}
		delete(stated, name)
	}
	if len(stated) > 0 {
		t.Errorf("there are no fields for %v", stated)
	}
	for i := range v.NumField() {
		l := Limits{}
		reflect.ValueOf(&l).Elem().Field(i).SetInt(-1)
		if got := reflect.ValueOf(l.WithDefaults()).Field(i).Int(); got != unlimited {
			t.Errorf("%s: -1 stands for %d", v.Type().Field(i).Name, got)
		}
	}
}
