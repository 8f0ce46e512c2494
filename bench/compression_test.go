package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

func TestCompressionArgs(t *testing.T) {
	o, err := parseCompressionArgs([]string{"-rounds", "2", "-takeover"}, io.Discard)
	if err != nil || o.rounds != 2 || !o.takeover || o.duration != 200*time.Millisecond {
		t.Errorf("%+v, %v", o, err)
	}
	for args, want := range map[string]string{"-rounds 0": "-rounds is 0", "-duration -1s": "-duration is -1s", "x": "unexpected argument"} {
		if _, err := parseCompressionArgs(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	var b strings.Builder
	if _, err := parseCompressionArgs([]string{"-h"}, &b); !errors.Is(err, flag.ErrHelp) || !strings.Contains(b.String(), "-takeover") {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestCompressionSources: each kind has messages of the size that it says, and the client sends what a server can decompress.
func TestCompressionSources(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		kinds, err := (&compressionOptions{takeover: takeover}).corpora(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kinds {
			if len(m.plain) == 0 || len(m.plain) != len(m.frames) {
				t.Errorf("%s: %d messages, %d frames", m.name, len(m.plain), len(m.frames))
			}
			for _, p := range m.plain {
				if len(p) != m.size {
					t.Errorf("%s: a message of %d bytes", m.name, len(p))
				}
			}
		}
	}
	if _, err := (&compressionOptions{json: "compression_test.go"}).corpora(t.Context()); err == nil || !strings.Contains(err.Error(), "at least") {
		t.Error(err)
	}
}

// TestCompressionVisit: both servers echo what they get, and smaller if it can be compressed.
func TestCompressionVisit(t *testing.T) {
	p, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, takeover := range []bool{false, true} {
		o := &compressionOptions{rounds: 1, duration: time.Millisecond, takeover: takeover}
		kinds, err := o.corpora(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kinds {
			for _, library := range []string{"fanfare", "gws"} {
				c, err := o.visit(context.Background(), p, servers.Compressing{Library: library, Bits: 12, Takeover: takeover}, m)
				if err != nil || c.micros <= 0 || strings.HasPrefix(m.name, "random") != (c.ratio > 0.9) {
					t.Errorf("%s, %s: %v, %v", library, m.name, c, err)
				}
			}
		}
	}
}
