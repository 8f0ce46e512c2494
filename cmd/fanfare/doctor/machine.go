package doctor

import (
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	_ "github.com/fanfare-ws/fanfare/netpoll" // on another system it is what says that the program needs Linux
)

// Machine is what is examined.
type Machine struct {
	Root        fs.FS                               // has proc and sys
	Files       func() (soft, hard uint64, _ error) // RLIMIT_NOFILE
	IOSubmit    func() error                        // tries io_submit(2)
	MemoryLimit int64                               // GOMEMLIMIT in bytes, or math.MaxInt64
	Threads     int                                 // GOMAXPROCS
	PageSize    int64
}

// ThisMachine returns the machine, and the limits of this process.
func ThisMachine() Machine {
	return Machine{
		Root: os.DirFS("/"), Files: fileLimits, IOSubmit: tryIOSubmit,
		MemoryLimit: debug.SetMemoryLimit(-1), Threads: runtime.GOMAXPROCS(0), PageSize: int64(os.Getpagesize()),
	}
}

func fileLimits() (soft, hard uint64, err error) {
	var l unix.Rlimit
	err = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return l.Cur, l.Max, err
}

// tryIOSubmit makes a context and submits nothing. Profiles of seccomp refuse one of the calls, or both.
func tryIOSubmit() error {
	var ctx uintptr
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&ctx)), 0); errno != 0 {
		return os.NewSyscallError("io_setup", errno)
	}
	defer func() { _, _, _ = syscall.Syscall(unix.SYS_IO_DESTROY, ctx, 0, 0) }()
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SUBMIT, ctx, 0, 0); errno != 0 {
		return os.NewSyscallError("io_submit", errno)
	}
	return nil
}

// noLimit is more than any machine can hold.
const noLimit = math.MaxInt64
