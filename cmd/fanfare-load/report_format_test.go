package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	for n, s := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -100: "-100", 100000: "100,000"} {
		want(t, "comma", comma(n), s)
	}
	for n, s := range map[int64]string{0: "0 B", 10239: "10,239 B", 10240: "10.0 KiB", 3 << 20: "3.0 MiB", -3 << 20: "-3.0 MiB"} {
		want(t, "bytes", bytesText(n), s)
	}
	for d, s := range map[time.Duration]string{
		1500 * time.Nanosecond: "1.50 µs", 46 * time.Microsecond: "46 µs", 2640 * time.Microsecond: "2.64 ms",
		17 * time.Millisecond: "17 ms", 1500 * time.Millisecond: "1.50 s",
	} {
		want(t, "duration", durationText(d), s)
	}
	want(t, "plural", plural(1, "byte")+plural(2000, "byte"), "1 byte2,000 bytes")
}

func TestProgress(t *testing.T) {
	checkLeaks(t)
	var out bytes.Buffer
	p := newProgress(&out, false)
	want(t, "a buffer is a terminal", p.tty, false)
	p.print("half way")
	p.print("")
	p.note("look: %d", 5)
	want(t, "lines", out.String(), "half way\nnote: look: 5\n")
	out.Reset()
	p.tty = true
	p.print("x " + p.bar(0.5))
	p.print("")
	want(t, "a bar", out.String(), "\r\x1b[Kx ["+strings.Repeat("#", 15)+strings.Repeat(".", 15)+"] \r\x1b[K")
	want(t, "bars have one width", len(p.bar(-1)) == len(p.bar(7)), true)
	newProgress(&out, true).during("x", 1, func() int64 { return 0 })()

	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer tty.Close()
	want(t, "a terminal is one", isTerminal(tty), true)
}
