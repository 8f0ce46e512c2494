//go:build linux

package netpoll

import (
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aioContexts are io_setup(2) contexts, each for the calls of one [Burst] at a time. They are
// used synchronously: a non-blocking socket completes at submission. io_uring would do the
// same, but is forbidden in many containers, and needs mapped memory. Unlike sendto, these calls
// cannot suppress SIGPIPE: the runtime ignores it, as for every net.Conn.
type aioContexts struct {
	log *slog.Logger

	mu   sync.Mutex
	idle []aioContext
	open int  // idle or in use
	most int  // 0 after end; the same as open, once the kernel has refused another
	told bool // the log says that there is none
}

// aioSize is the number of calls in a batch: a whole [Burst].
const aioSize = 32

// aioContext is an aio_context_t.
type aioContext uintptr

// get returns an unused context; ok is false if there is none.
func (k *aioContexts) get() (r aioContext, ok bool) {
	k.mu.Lock()
	r, err := k.getLocked()
	tell := err != nil && k.open == 0 && !k.told
	k.told = k.told || tell
	k.mu.Unlock()
	if tell {
		k.log.Info("each delivery takes a system call of its own, because the kernel refuses io_submit", "error", err)
	}
	return r, r != 0
}

// getLocked returns 0 if there is none, with the kernel's error if it was asked. After a
// refusal the kernel is not asked again, unless it was for lack of descriptors, which is
// temporary.
func (k *aioContexts) getLocked() (r aioContext, err error) {
	if n := len(k.idle); n > 0 {
		r, k.idle = k.idle[n-1], k.idle[:n-1]
		return r, nil
	}
	if k.open >= k.most {
		return 0, nil
	}
	if r, err = newAioContext(); err == nil {
		k.open++
	} else if err != unix.EMFILE && err != unix.ENFILE {
		k.most = k.open
	}
	return r, err
}

// put takes back r, which is not used any more.
func (k *aioContexts) put(r aioContext) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.most == 0 {
		r.destroy()
		k.open--
		return
	}
	k.idle = append(k.idle, r)
}

// end destroys all idle contexts; put destroys those in use.
func (k *aioContexts) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.most = 0
	k.open -= len(k.idle)
	for _, r := range k.idle {
		r.destroy()
	}
	k.idle = nil
}

// newAioContext returns a context that has been tried on a socket: some systems have these
// calls, but refuse them for sockets.
func newAioContext() (r aioContext, err error) {
	if !aioFits {
		return 0, errors.ErrUnsupported
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, aioSize, uintptr(unsafe.Pointer(&r)), 0); errno != 0 {
		return 0, errno
	}
	var c aioBatch
	c.add(0, int32(pair[0]), []byte{0})
	c.submit(r)
	if _, errno := c.answer(0); errno != 0 {
		r.destroy()
		return 0, errno
	}
	return r, nil
}

func (r aioContext) destroy() { _, _, _ = syscall.Syscall(unix.SYS_IO_DESTROY, uintptr(r), 0, 0) }

// aioBatch is a batch of calls for one submission. The kernel's structures have 64 bits for each
// pointer: see aioFits.
type aioBatch struct {
	n       int
	blocks  [aioSize]iocb
	refs    [aioSize]*iocb // to blocks
	events  [aioSize]ioEvent
	answers [aioSize]int64 // by place
}

// iocb is the kernel's struct iocb. Fields without a name are 0 here.
type iocb struct {
	place  uint64    // data, which comes back with the answer
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
	place uint64 // data of the iocb
	_     uint64 // address of the iocb
	res   int64
	_     int64 // of USB gadgets
}

// pwrite is the opcode IOCB_CMD_PWRITE.
const pwrite = 1

// notCalled is the result of a call that was not made.
const notCalled = syscall.ECANCELED

// aioFits says whether iocb has the layout that the kernel expects.
const aioFits = unsafe.Sizeof(uintptr(0)) == 8

// add adds a write of p, which is not empty, to fd, which is non-blocking. place is a number
// below aioSize, under which answer finds the result.
func (c *aioBatch) add(place int, fd int32, p []byte) {
	call := &c.blocks[c.n]
	*call = iocb{place: uint64(place), opcode: pwrite, fd: uint32(fd), buf: unsafe.Pointer(unsafe.SliceData(p)), size: uint64(len(p))}
	c.refs[c.n] = call
	c.answers[place] = -int64(notCalled)
	c.n++
}

// clear forgets all calls, so that it keeps nothing alive. Their results stay.
func (c *aioBatch) clear() {
	clear(c.blocks[:c.n])
	c.n = 0
}

// submit makes the calls, or as many as the kernel takes, and stores their results.
func (c *aioBatch) submit(r aioContext) {
	took, _, errno := syscall.RawSyscall(unix.SYS_IO_SUBMIT, uintptr(r), uintptr(c.n), uintptr(unsafe.Pointer(&c.refs)))
	if errno != 0 {
		return
	}
	for _, call := range c.refs[:took] {
		c.answers[call.place] = -int64(unix.EIO) // if the kernel gives no result
	}
	for left := took; left > 0; {
		got, _, errno := syscall.RawSyscall6(unix.SYS_IO_GETEVENTS, uintptr(r), left, left, uintptr(unsafe.Pointer(&c.events)), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return
		}
		for _, e := range c.events[:got] {
			c.answers[e.place] = e.res
		}
		left -= got
	}
}

// answer returns the result of the call with that place.
func (c *aioBatch) answer(place uint64) (took int, errno syscall.Errno) {
	switch a := c.answers[place]; {
	case a >= 0:
		return int(a), 0
	case a == -int64(unix.EINTR): // nothing was done
		return 0, notCalled
	default:
		return 0, syscall.Errno(-a)
	}
}
