package wsproto

import "testing"

func TestSlab(t *testing.T) {
	for _, n := range []int{1, minSlab - 1, minSlab, minSlab + 1, 1 << 20, 1<<20 + 1, maxSlab - 1, maxSlab, maxSlab + 1} {
		b := newSlab(n, false)
		if len(b) != 0 || cap(b) < n || n <= maxSlab && cap(b) >= 2*max(n, minSlab) {
			t.Errorf("%d bytes: a slice of %d, room for %d", n, len(b), cap(b))
		}
		freeSlab(append(b, 1))
	}
	for _, b := range [][]byte{nil, make([]byte, 0, 1), make([]byte, 0, 3*minSlab), make([]byte, 0, 2*maxSlab)} {
		freeSlab(b) // no slabs
	}
	for range 100 {
		if b := newSlab(3*minSlab, true); b != nil && cap(b) != 4*minSlab {
			t.Fatalf("room for %d", cap(b))
		}
	}
}
