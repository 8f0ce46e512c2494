package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// bytesBack is the size of an echo in bytes.
const bytesBack figure = "echo_bytes"

// compressionKinds are those that the floor measures. The subcommand compression has more, and more windows.
var compressionKinds = []string{"JSON 1 KiB", "text 128 KiB", "random 128 KiB"}

// compressionPairs has Fanfare beside gws, which uses the same compressor: with a window of 15 bits at the level that is gws's
// default, and with smaller ones, for which gws has one level only.
func compressionPairs(kinds []messages) (all []*pair) {
	side := func(name, library string, level, bits int) side {
		return side{name: name, compressing: servers.Compressing{Library: library, Level: level, Bits: bits}}
	}
	for _, window := range []struct {
		level, bits int
		says        string
	}{{1, 15, "15 bits, level 1"}, {0, 12, "12 bits"}, {0, 9, "9 bits"}} {
		for i, m := range kinds {
			if !slices.Contains(compressionKinds, m.name) {
				continue
			}
			title := fmt.Sprintf("compressed echo of %s, %s", m.name, window.says)
			all = append(all, &pair{
				compressed: &kinds[i],
				rows: []pairRow{
					{title + ", CPU time", 0, cpuEach, &requirement{Limit: 1}},
					{title + ", size", 0, bytesBack, &requirement{Limit: 1}},
				},
				other: side("gws", "gws", window.level, window.bits),
				mine:  side(fanfareName, "fanfare", window.level, window.bits),
			})
		}
	}
	return all
}

// visitCompressed is visit for a pair with compressed messages.
func (f *floor) visitCompressed(ctx context.Context, e *pair, s *side, round int) error {
	o := &compressionOptions{duration: f.opt.duration / 4} // there are many pairs, and a message takes long
	cost, err := o.visit(ctx, f.prog, s.compressing, *e.compressed)
	if err != nil {
		return err
	}
	of := s.values[0]
	of[cpuEach] = append(of[cpuEach], cost.micros)
	of[bytesBack] = append(of[bytesBack], math.Round(cost.ratio*float64(e.compressed.size))) // of messages of different content
	fmt.Fprintf(f.log, "round %d, %s, %s: %v\n", round+1, e.rows[0].title, s.name, cost)
	return nil
}
