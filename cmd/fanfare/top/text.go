package top

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
)

func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// clean escapes what is not printable, such as control characters, and what changes the direction of text.
func clean(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// fit returns s in exactly width columns.
func fit(s string, width int) string {
	w := lipgloss.Width(s)
	if w <= width {
		return s + strings.Repeat(" ", width-w)
	}
	if width <= 0 {
		return ""
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		rw := lipgloss.Width(string(r))
		if n+rw > width-1 {
			break
		}
		b.WriteRune(r)
		n += rw
	}
	return b.String() + "…" + strings.Repeat(" ", width-1-n)
}

// right returns s at the right of width columns.
func right(s string, width int) string {
	if w := lipgloss.Width(s); w < width {
		return strings.Repeat(" ", width-w) + s
	}
	return fit(s, width)
}

// significant returns three digits of v, or all of those before the point.
func significant(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a >= 100:
		return grouped(int64(math.Round(v)))
	case a >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 1:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }

// grouped returns a number such as 18,000.
func grouped[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// short returns a number such as 1.2 M.
func short(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 1e9:
		return significant(v/1e9) + " G"
	case v >= 1e6:
		return significant(v/1e6) + " M"
	case v >= 1e4:
		return significant(v/1e3) + " k"
	}
	return significant(v)
}

func perSecond(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return short(v) + "/s"
}

func bytes(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	unit := 0
	for ; v >= 1000 && unit < 4; unit++ {
		v /= 1024
	}
	return significant(v) + " " + []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

// seconds returns a time from microseconds to days.
func seconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0 s"
	case v < 1e-3:
		return significant(v*1e6) + " µs"
	case v < 1:
		return significant(v*1e3) + " ms"
	case v < 120:
		return significant(v) + " s"
	case v < 7200:
		return fmt.Sprintf("%d min", int(v/60))
	case v < 172800:
		return fmt.Sprintf("%d h %d min", int(v/3600), int(v/60)%60)
	}
	return fmt.Sprintf("%d days", int(v/86400))
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

// plural returns a number with its noun.
func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

var levels = []rune("▁▂▃▄▅▆▇█")

// sparkline shows the last width values, from 0 to the largest. NaN is a gap.
func sparkline(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	largest := 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			largest = max(largest, v)
		}
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case largest == 0:
			b.WriteRune(levels[0])
		default:
			b.WriteRune(levels[min(int(v/largest*float64(len(levels))), len(levels)-1)])
		}
	}
	return b.String()
}

// trimmed returns lines without spaces at their ends, and without empty lines at the end.
func trimmed(lines []string) []string {
	all := make([]string, len(lines))
	n := 0
	for i, l := range lines {
		if all[i] = strings.TrimRight(l, " "); all[i] != "" {
			n = i + 1
		}
	}
	return all[:n]
}
