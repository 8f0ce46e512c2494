//go:build linux

package netpoll

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rings are the kernel's contexts for asynchronous I/O (io_setup(2)), each for the calls
// of one [Burst] at a time. Nothing is asynchronous about them here: a socket that does not block
// answers while the call is submitted. io_uring would do the same, but is forbidden in
// many containers, and takes memory to be mapped. Unlike sendto, these calls cannot
// suppress SIGPIPE: the runtime ignores it, as for every net.Conn.
type rings struct {
	log logger

	mu   sync.Mutex
	idle []ring
	open int // idle or hired
	most int // 0 from the end on, or if the kernel has none for us
}

// ring is an aio_context_t.
type ring uintptr

// hire reports whether there is one.
func (k *rings) hire() (r ring, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.idle); n > 0 {
		r = k.idle[n-1]
		k.idle = k.idle[:n-1]
		return r, true
	}
	if k.open >= k.most {
		return 0, false
	}
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, BurstSize, uintptr(unsafe.Pointer(&r)), 0); errno != 0 {
		if k.most = k.open; k.open == 0 {
			k.log.Info("a broadcast takes a system call for each delivery: the kernel refuses to make several at a time", "io_setup", errno)
		}
		return 0, false
	}
	k.open++
	return r, true
}

// dismiss takes r back.
func (k *rings) dismiss(r ring) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.most == 0 {
		k.destroyLocked(r)
		return
	}
	k.idle = append(k.idle, r)
}

// end destroys all that nobody uses, and has none made any more.
func (k *rings) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.most = 0
	for _, r := range k.idle {
		k.destroyLocked(r)
	}
	k.idle = nil
}

func (k *rings) destroyLocked(r ring) {
	k.open--
	_, _, _ = syscall.Syscall(unix.SYS_IO_DESTROY, uintptr(r), 0, 0)
}

// calls are what a ring is given at a time. The kernel's structures have 64 bits for each
// pointer, so where Go's are shorter there are no rings: see ringsFit.
type calls struct {
	blocks  [BurstSize]iocb
	refs    [BurstSize]*iocb
	events  [BurstSize]ioEvent
	answers [BurstSize]int64
}

// iocb is the kernel's struct iocb.
type iocb struct {
	data    uint64
	key     uint32 // and flags, in the order of the machine's bytes: both are 0
	rwFlags uint32
	opcode  uint16
	prio    int16
	fd      uint32
	buf     unsafe.Pointer
	size    uint64
	offset  int64
	_       uint64
	flags   uint32
	eventFD uint32
}

// ioEvent is the kernel's struct io_event.
type ioEvent struct {
	data, obj uint64
	res, res2 int64
}

// pwrite is the opcode IOCB_CMD_PWRITE.
const pwrite = 1

// ringsFit says whether iocb is what the kernel takes it for.
const ringsFit = unsafe.Sizeof(uintptr(0)) == 8

// set has call i write p, which is not empty, to fd.
func (c *calls) set(i int, fd int32, p []byte) {
	c.refs[i] = &c.blocks[i]
	c.blocks[i] = iocb{data: uint64(i), opcode: pwrite, fd: uint32(fd), buf: unsafe.Pointer(unsafe.SliceData(p)), size: uint64(len(p))}
	c.answers[i] = -int64(notCalled)
}

// submit makes the first n calls, and takes their answers.
func (c *calls) submit(r ring, n int) {
	done, _, errno := syscall.RawSyscall(unix.SYS_IO_SUBMIT, uintptr(r), uintptr(n), uintptr(unsafe.Pointer(&c.refs)))
	if errno != 0 {
		done = 0
	}
	for left := int(done); left > 0; {
		got, _, errno := syscall.RawSyscall6(unix.SYS_IO_GETEVENTS, uintptr(r), uintptr(left), uintptr(left), uintptr(unsafe.Pointer(&c.events)), 0, 0)
		if errno != 0 && errno != unix.EINTR {
			panic("netpoll: io_getevents: " + errno.Error())
		} else if errno != 0 {
			continue
		}
		for _, e := range c.events[:got] {
			c.answers[e.data] = e.res
		}
		left -= int(got)
	}
	clear(c.blocks[:n]) // keeps no buffer alive
	runtime.KeepAlive(c)
}

// answer returns what became of call i.
func (c *calls) answer(i int) (took int, errno syscall.Errno) {
	if a := c.answers[i]; a < 0 {
		return 0, syscall.Errno(-a)
	}
	return int(c.answers[i]), 0
}
