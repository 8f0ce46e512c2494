//go:build linux

package netpoll

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The list of limits in doc.go has each option, in order, with its default.
func TestLimitsAreDocumented(t *testing.T) {
	_, text, _ := strings.Cut(string(must[[]byte](t)(os.ReadFile("doc.go"))), "// # Limits\n")
	text, _, _ = strings.Cut(text, "// # ")
	var listed []string // "name default"
	for line := range strings.Lines(text) {
		row, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			continue
		}
		name, rest, _ := strings.Cut(row, " ")
		def, beyond, _ := strings.Cut(strings.TrimSpace(rest), "  ")
		if strings.TrimSpace(beyond) == "" {
			t.Errorf("%s: it is not said what happens beyond it", name)
		}
		listed = append(listed, name+" "+def)
	}
	var want []string
	v := reflect.ValueOf(Options{}.withDefaults())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).CanInt() {
			want = append(want, name+" "+defaultText(name, v.Field(i).Interface()))
		}
	}
	if got, want := strings.Join(listed, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("doc.go lists\n%s\n\nand Options has\n%s", got, want)
	}
}

func defaultText(name string, v any) string {
	switch name {
	case "Loops":
		return "GOMAXPROCS"
	case "TotalPending":
		return "MemoryLimit/8"
	case "ReadBuffer", "NotSentLowat":
		return fmt.Sprintf("%d KiB", v.(int)>>10)
	case "MaxPending":
		return fmt.Sprintf("%d MiB", v.(int)>>20)
	}
	switch {
	case v == 0:
		return "none"
	case reflect.TypeOf(v) == reflect.TypeFor[time.Duration]():
		return v.(time.Duration).String()
	}
	return fmt.Sprint(v)
}
