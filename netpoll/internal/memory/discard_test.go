//go:build linux

package memory

import (
	"bytes"
	"os"
	"testing"
)

// Only the pages that are in the slice as a whole are discarded. The kernel gives zeroes for them.
func TestDiscard(t *testing.T) {
	page := os.Getpagesize()
	all := make([]byte, 16*page) // large objects begin at a page
	for _, tt := range []struct{ from, to, first, last int }{
		{0, 16 * page, 0, 16 * page},
		{0, page, 0, page},
		{1, 3 * page, page, 3 * page},
		{page, 2*page - 1, 0, 0},
		{page - 1, 3*page + 1, page, 3 * page},
		{1, 2*page - 1, 0, 0},
		{5, 5, 0, 0},
		{2 * page, 2 * page, 0, 0},
	} {
		for i := range all {
			all[i] = 1
		}
		want := bytes.Clone(all)
		clear(want[tt.first:tt.last])
		Discard(all[tt.from:tt.to:tt.to])
		if !bytes.Equal(all, want) {
			t.Errorf("%d to %d: other bytes are zero than from %d to %d", tt.from, tt.to, tt.first, tt.last)
		}
	}
	for i := range all {
		all[i] = 1
	}
	if Discard(all[:0]); bytes.ContainsRune(all, 1) {
		t.Error("what is behind the length was not discarded")
	}
	Discard(nil)
}
