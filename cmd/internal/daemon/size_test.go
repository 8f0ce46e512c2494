package daemon

import (
	"bytes"
	"flag"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int{
		"0": 0, "65536": 65536, "64k": 64 << 10, "64K": 64 << 10, "64kb": 64 << 10, "64KiB": 64 << 10, "5MiB": 5 << 20, "5m": 5 << 20,
		"5 MB": 5 << 20, " 1GiB ": 1 << 30, "2TiB": 2 << 40, "12B": 12, "-1": -1, "-1k": -1024,
		strconv.Itoa(math.MaxInt): math.MaxInt, "8388607T": 8388607 << 40,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "k", "MiB", "5MiBs", "5 M B", "1.5MiB", "0x10", "1e6", "5Mi", "10PB", "8388608T", "-8388609T", "9223372036854775808", "5\u212a"} {
		if got, err := ParseSize(s); err == nil || !strings.Contains(err.Error(), "5MiB") {
			t.Errorf("%q: %d, %v; want an error that says what is right", s, got, err)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int]string{0: "0", -1: "-1", 1000: "1000", 1024: "1KiB", 1 << 20: "1MiB", 1536 << 10: "1536KiB", 5 << 30: "5GiB", -1 << 20: "-1MiB"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
		if back, err := ParseSize(want); err != nil || back != n {
			t.Errorf("%s: %d, %v", want, back, err)
		}
	}
}

func TestSizeVar(t *testing.T) {
	f := flag.NewFlagSet("x", flag.ContinueOnError)
	var out bytes.Buffer
	f.SetOutput(&out)
	var n, none int
	SizeVar(f, &n, "max-message", 1<<20, "largest message, in `bytes`")
	SizeVar(f, &none, "other", 0, "other `bytes`")
	if f.PrintDefaults(); !strings.Contains(out.String(), "(default 1MiB)") || strings.Contains(out.String(), "default 0") {
		t.Error(out.String())
	}
	if err := f.Parse([]string{"-max-message", "5MiB"}); err != nil || n != 5<<20 || none != 0 {
		t.Errorf("%d %d %v", n, none, err)
	}
	if err := f.Parse([]string{"-max-message", "lots"}); err == nil || n != 5<<20 {
		t.Errorf("%d %v", n, err)
	}
}
