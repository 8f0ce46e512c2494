//go:build linux

package netpoll

import (
	"bytes"
	"testing"
)

// The buffers of a worker are discarded once, when it has been idle from one call to the next.
func TestDiscardIdle(t *testing.T) {
	const size = 64 << 10
	k := &workers{keep: 2, size: size, out: size}
	dirty := func(w *worker) {
		for i := range size {
			w.in[i], w.out.gathered[:size][i] = 1, 1
		}
	}
	kept := func(w *worker) bool { return bytes.Count(w.in, []byte{1}) == size }
	discarded := func(w *worker) bool {
		return !bytes.ContainsRune(w.in, 1) && !bytes.ContainsRune(w.out.gathered[:size], 1)
	}
	a, b := k.get(), k.get()
	dirty(a)
	dirty(b)
	k.put(a)
	k.discardIdle()
	k.discardIdle()
	if !discarded(a) || !kept(b) {
		t.Fatalf("the idle worker's buffers: discarded is %v; the busy one's: kept is %v", discarded(a), kept(b))
	}
	k.put(b)
	k.discardIdle()
	if !kept(b) {
		t.Error("it was busy since the last call, and has lost its buffers")
	}
	if w := k.get(); w != b {
		t.Fatal("the worker that became idle last is not the next")
	}
	k.put(b)
	k.discardIdle()
	if !kept(b) {
		t.Error("a worker that is needed again and again has lost its buffers")
	}
	dirty(a) // to see whether they are discarded again
	k.discardIdle()
	if !discarded(b) || !kept(a) {
		t.Errorf("the worker that has become idle: discarded is %v; the one that was: kept is %v", discarded(b), kept(a))
	}
}
