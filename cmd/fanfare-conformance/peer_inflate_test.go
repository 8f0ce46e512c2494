package main

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
)

// TestInflate checks that the inflater reads the output of compress/flate at each level.
func TestInflate(t *testing.T) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, level)
		if err != nil {
			t.Fatal(err)
		}
		f := &inflater{bits: 15, takeover: true}
		for _, g := range payloads {
			for _, n := range []int{0, 1, 100, 5000, 100_000} {
				want := g.make(n, 0)
				out.Reset()
				_, _ = io.WriteString(w, want)
				w.Flush()
				if got, err := f.inflate(strings.TrimSuffix(out.String(), syncTail)); err != nil || got != want {
					t.Errorf("level %d, %d bytes of %s: %v", level, n, g.name, err)
				}
			}
		}
	}
}

// TestDeflate checks that compress/flate reads the output of the deflater, and that the inflater finds no reference beyond
// the window.
func TestDeflate(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			d, f := &deflater{bits: bits, takeover: takeover}, &inflater{bits: bits, takeover: takeover}
			var history []byte
			for _, g := range payloads {
				for _, n := range []int{0, 1, 100, 5000, 100_000} {
					want := g.make(n, 0)
					packed := d.deflate(want)
					if got, err := f.inflate(packed); err != nil || got != want {
						t.Errorf("%d bits, takeover %v, %d bytes of %s: %v", bits, takeover, n, g.name, err)
					}
					if !takeover {
						history = nil
					}
					r := flate.NewReaderDict(strings.NewReader(packed+syncTail+"\x01\x00\x00\xff\xff"), history)
					if got, err := io.ReadAll(r); err != nil || string(got) != want {
						t.Errorf("%d bits, takeover %v, %d bytes of %s: compress/flate: %v", bits, takeover, n, g.name, err)
					}
					history = append(history, want...)
				}
			}
		}
	}
}

// TestInflateCorrupt checks that the inflater finds faults.
func TestInflateCorrupt(t *testing.T) {
	for _, s := range []string{"", "\x06", "\x07", "\xf2\x48\xcd", "\x00\x05\x00\x05\x00Hello\x00", "\xf2\x00\x11\x00\x00"} {
		f := &inflater{bits: 15}
		if got, err := f.inflate(s); err == nil {
			t.Errorf("% x: %q", s, got)
		}
	}
	small := &inflater{bits: 8}
	if _, err := small.inflate((&deflater{bits: 9}).deflate(octets(300) + octets(300))); err == nil || !strings.Contains(err.Error(), "negotiated window") {
		t.Errorf("a reference too far: %v", err)
	}
}
