package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// countersReport has hardware counters of the server per message, in user space and in the kernel. Unlike time, they hardly
// depend on other work of the machine.
type countersReport struct {
	UserInstructions   float64 `json:"user_instructions"`
	KernelInstructions float64 `json:"kernel_instructions"`
	UserCycles         float64 `json:"user_cycles"`
	KernelCycles       float64 `json:"kernel_cycles"`
}

// event is an event that the kernel counts.
type event struct {
	kind   uint32
	config uint64
	bits   uint64 // what to exclude
}

// events are the fields of countersReport, in their order.
var events = [4]event{
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS, unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv},
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS, unix.PerfBitExcludeUser | unix.PerfBitExcludeHv},
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CPU_CYCLES, unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv},
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CPU_CYCLES, unix.PerfBitExcludeUser | unix.PerfBitExcludeHv},
}

// counter counts an event in all threads of a process: in the existing ones and, by inheritance, in those that they start.
type counter struct{ files []int }

// count starts to count.
func count(pid int, e event) (*counter, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	c := new(counter)
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{
			Type:        e.kind,
			Config:      e.config,
			Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
			Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
			Bits:        e.bits | unix.PerfBitInherit,
		}, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			c.close()
			return nil, err
		}
		c.files = append(c.files, fd)
	}
	if len(c.files) == 0 {
		return nil, fmt.Errorf("process %d has no threads", pid)
	}
	return c, nil
}

// total returns the count so far. If there are more events than the processor can count at a time, each of them is counted
// for a part of the time, and total extrapolates.
func (c *counter) total() (float64, error) {
	sum := 0.0
	for _, fd := range c.files {
		var b [24]byte // value, time enabled, time running
		if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
			return 0, fmt.Errorf("read a counter: %d bytes, %w", n, err)
		}
		value := float64(binary.NativeEndian.Uint64(b[:]))
		enabled, running := float64(binary.NativeEndian.Uint64(b[8:])), float64(binary.NativeEndian.Uint64(b[16:]))
		if running > 0 {
			value *= enabled / running
		}
		sum += value
	}
	return sum, nil
}

func (c *counter) close() {
	for _, fd := range c.files {
		unix.Close(fd)
	}
	c.files = nil
}

// counters has the counters of all events of a process.
type counters struct {
	all [len(events)]*counter
	err error // why there are no counters
}

func countAll(pid int) *counters {
	c := new(counters)
	for i, e := range events {
		if c.all[i], c.err = count(pid, e); c.err != nil {
			c.close()
			break
		}
	}
	return c
}

// end returns the counts per message, for n messages, or why they are unknown.
func (c *counters) end(n int64) (*countersReport, error) {
	defer c.close()
	var each [len(events)]float64
	for i, one := range c.all {
		if c.err != nil {
			return nil, uncounted(c.err)
		}
		each[i], c.err = one.total()
		each[i] /= float64(max(1, n))
	}
	if c.err != nil {
		return nil, uncounted(c.err)
	}
	return &countersReport{each[0], each[1], each[2], each[3]}, nil
}

func (c *counters) close() {
	for _, one := range c.all {
		if one != nil {
			one.close()
		}
	}
}

// uncounted adds to an error why there are no counters.
func uncounted(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("the machine or its hypervisor has no hardware counters: %w", err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("hardware counters are not permitted (run as root, or set sysctl kernel.perf_event_paranoid=1): %w", err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("the kernel has no performance events: %w", err)
	}
	return err
}
