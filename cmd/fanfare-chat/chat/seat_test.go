package chat

import (
	"testing"
	"unsafe"
)

// There is one seat for every client of /rooms/ID: it is to stay small. What a plain
// subscriber has, its hub and a subscription, is 56 bytes.
func TestSeatSize(t *testing.T) {
	if n := unsafe.Sizeof(seat{}); n > 80 {
		t.Errorf("a seat has %d bytes; it is to have at most 80", n)
	}
}
