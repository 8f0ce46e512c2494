//go:build linux

package memory

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Discard gives the whole pages of p back to the system, and zeroes them by that: what p contains is undefined afterwards. p
// remains usable, and takes memory again where it is written to. It is for buffers that stay allocated while nobody uses
// them, and whose type has no pointers, so that the garbage collector does not read them.
func Discard(p []byte) {
	page := os.Getpagesize()
	p = p[:cap(p)]
	if len(p) < page {
		return
	}
	from := -int(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) & (page - 1) // up to the first page that begins in p
	whole := (len(p) - from) &^ (page - 1)
	if whole > 0 {
		_ = unix.Madvise(p[from:from+whole], unix.MADV_DONTNEED) // if the kernel refuses, for locked memory, nothing has changed
	}
}
