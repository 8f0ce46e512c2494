//go:build linux

package netpoll

import (
	"errors"
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
	most int // 0 from the end on; open, once there are no more to be had
}

// ring is an aio_context_t.
type ring uintptr

// hire returns one that nobody else uses; ok is false if there is none. Who was refused
// one by the kernel, for whatever reason, is not to ask again.
func (k *rings) hire() (r ring, ok bool) {
	k.mu.Lock()
	if n := len(k.idle); n > 0 {
		r, k.idle = k.idle[n-1], k.idle[:n-1]
		k.mu.Unlock()
		return r, true
	}
	if k.open >= k.most {
		k.mu.Unlock()
		return 0, false
	}
	r, err := newRing()
	if err == nil {
		k.open++
	} else {
		k.most = k.open
	}
	none := k.most == 0
	k.mu.Unlock()
	if none {
		k.log.Info("each delivery takes a system call of its own: the kernel does not do several at a time", "error", err)
	}
	return r, err == nil
}

// dismiss takes r back.
func (k *rings) dismiss(r ring) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.most == 0 {
		r.destroy()
		k.open--
		return
	}
	k.idle = append(k.idle, r)
}

// end destroys all rings: those that are in use when they are dismissed.
func (k *rings) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.most = 0
	k.open -= len(k.idle)
	for _, r := range k.idle {
		r.destroy()
	}
	k.idle = nil
}

// newRing returns a ring that has been tried: there are systems that have the calls, and
// then refuse them for sockets.
func newRing() (r ring, err error) {
	if !ringsFit {
		return 0, errors.ErrUnsupported
	}
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, BurstSize, uintptr(unsafe.Pointer(&r)), 0); errno != 0 {
		return 0, errno
	}
	if err = r.try(); err != nil {
		r.destroy()
	}
	return r, err
}

// try writes to a socket.
func (r ring) try() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	var c calls
	c.set(0, int32(pair[0]), []byte{0})
	c.submit(r, 1)
	if _, errno := c.answer(0); errno != 0 {
		return errno
	}
	return nil
}

func (r ring) destroy() { _, _, _ = syscall.Syscall(unix.SYS_IO_DESTROY, uintptr(r), 0, 0) }

// calls are what a ring is given at a time. The kernel's structures have 64 bits for each
// pointer: see ringsFit.
type calls struct {
	blocks  [BurstSize]iocb
	refs    [BurstSize]*iocb
	events  [BurstSize]ioEvent
	answers [BurstSize]int64
}

// iocb is the kernel's struct iocb. What has no name here is 0.
type iocb struct {
	data   uint64
	_      [2]uint32 // key and flags, in the order of the machine's bytes
	opcode uint16
	_      int16 // priority
	fd     uint32
	buf    unsafe.Pointer
	size   uint64
	_      int64 // offset
	_      uint64
	_      uint32 // flags
	_      uint32 // eventfd
}

// ioEvent is the kernel's struct io_event.
type ioEvent struct {
	data uint64
	_    uint64 // address of the iocb
	res  int64
	_    int64 // of USB gadgets
}

// pwrite is the opcode IOCB_CMD_PWRITE.
const pwrite = 1

// ringsFit says whether iocb is what the kernel takes it for.
const ringsFit = unsafe.Sizeof(uintptr(0)) == 8

// set has call i write p, which is not empty, to fd, which does not block.
func (c *calls) set(i int, fd int32, p []byte) {
	c.refs[i] = &c.blocks[i]
	c.blocks[i] = iocb{data: uint64(i), opcode: pwrite, fd: uint32(fd), buf: unsafe.Pointer(unsafe.SliceData(p)), size: uint64(len(p))}
	c.answers[i] = -int64(notCalled)
}

// clear forgets the first n calls, and so keeps nothing alive.
func (c *calls) clear(n int) { clear(c.blocks[:n]) }

// submit makes the first n calls, or as many as the kernel takes, and has their answers.
func (c *calls) submit(r ring, n int) {
	took, _, errno := syscall.RawSyscall(unix.SYS_IO_SUBMIT, uintptr(r), uintptr(n), uintptr(unsafe.Pointer(&c.refs)))
	if errno != 0 {
		return
	}
	for i := range took {
		c.answers[i] = -int64(unix.EIO) // if there is none to be had
	}
	for left := took; left > 0; {
		got, _, errno := syscall.RawSyscall6(unix.SYS_IO_GETEVENTS, uintptr(r), left, left, uintptr(unsafe.Pointer(&c.events)), 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return
		} else if errno != 0 {
			continue
		}
		for _, e := range c.events[:got] {
			c.answers[e.data] = e.res
		}
		left -= got
	}
}

// answer returns what became of call i.
func (c *calls) answer(i int) (took int, errno syscall.Errno) {
	switch a := c.answers[i]; {
	case a >= 0:
		return int(a), 0
	case a == -int64(unix.EINTR): // nothing was done
		return 0, notCalled
	default:
		return 0, syscall.Errno(-a)
	}
}
