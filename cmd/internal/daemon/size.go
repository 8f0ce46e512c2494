package daemon

import (
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are the suffixes of a number of bytes, in lower case. Units without the "i" are powers of 1024 as well, as in
// nginx, systemd and the JVM.
var units = map[string]uint{
	"": 0, "b": 0,
	"k": 10, "kb": 10, "kib": 10,
	"m": 20, "mb": 20, "mib": 20,
	"g": 30, "gb": 30, "gib": 30,
	"t": 40, "tb": 40, "tib": 40,
}

// ParseSize reads a number of bytes, such as 65536, 64k, 64KiB, 5MiB or 1 GB. It may be
// negative: for some flags that means no limit.
func ParseSize(s string) (int, error) {
	s = strings.TrimSpace(s)
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	shift, known := units[strings.ToLower(s[len(number):])]
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || !known || n > math.MaxInt>>shift || n < math.MinInt>>shift {
		return 0, fmt.Errorf("%q is not a size; write a number of bytes such as 65536, 64KiB, 5MiB or 1GiB", s)
	}
	return int(n << shift), nil
}

// FormatSize is the inverse of [ParseSize]. It uses the largest unit in which n is a whole number.
func FormatSize(n int) string {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n != 0 && n%(1<<u.shift) == 0 {
			return strconv.Itoa(n>>u.shift) + u.name
		}
	}
	return strconv.Itoa(n)
}

// size is the flag.Value of [SizeVar].
type size int

func (v *size) String() string { return FormatSize(int(*v)) }

func (v *size) Set(s string) error {
	n, err := ParseSize(s)
	if err == nil {
		*v = size(n)
	}
	return err
}

// SizeVar defines a flag for a number of bytes, as [ParseSize] reads it.
func SizeVar(f *flag.FlagSet, p *int, name string, value int, usage string) {
	*p = value
	f.Var((*size)(p), name, usage)
}
