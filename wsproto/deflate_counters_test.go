package wsproto

import (
	"testing"
	"unsafe"
)

// Counters of different loops are in different cache lines, and are summed up.
func TestCompressionCounters(t *testing.T) {
	var n compressionTotals
	end := unsafe.Offsetof(n[0].receivedPlain) + unsafe.Sizeof(n[0].receivedPlain)
	if gap := unsafe.Sizeof(n[0]) - end; gap < cacheLine {
		t.Errorf("%d bytes between the counters of two loops; a cache line has %d", gap, cacheLine)
	}
	k := (&Compression{}).withDefaults()
	for loop := range 3 * compressionShards {
		k.saved.of(loop).sent(10, 1)
		k.saved.of(loop).received(2, 20)
	}
	k.saved.prepared().sent(10, 1)
	if k.saved[0].sentPlain.Load() != 30 || k.saved[compressionShards].sentPlain.Load() != 10 {
		t.Error("the counters are not those of their loops")
	}
	const all = 3 * compressionShards
	if s := k.stats(); s != (CompressionStats{SentPlain: 10 * (all + 1), SentCompressed: all + 1, ReceivedCompressed: 2 * all, ReceivedPlain: 20 * all}) {
		t.Errorf("%+v", s)
	}
}
