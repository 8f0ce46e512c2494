package chat

import (
	"testing"
	"unsafe"
)

// There is one roomConn for every client of /rooms/ID: it is to stay small. What a plain
// subscriber has, its hub and a subscription, is 56 bytes.
func TestRoomConnSize(t *testing.T) {
	if n := unsafe.Sizeof(roomConn{}); n > 80 {
		t.Errorf("roomConn has %d bytes; want at most 80", n)
	}
}
