package chat

import (
	"testing"
	"unsafe"
)

// There is one roomConn for each client of /rooms/ID, so it must stay small. The subscription alone has
// 48 bytes.
func TestRoomConnSize(t *testing.T) {
	if n := unsafe.Sizeof(roomConn{}); n > 80 {
		t.Errorf("roomConn has %d bytes; want at most 80", n)
	}
}
