package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// processCPU returns the CPU time of all threads of a process, in user space and in the kernel.
func processCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

// clockTick is the unit of times in /proc/PID/stat. USER_HZ is 100 on every platform of Go.
const clockTick = 10 * time.Millisecond

func parseStat(b []byte) (time.Duration, error) {
	// The second field is a name in parentheses, which may contain any character.
	_, rest, ok := bytes.Cut(b[max(0, bytes.LastIndexByte(b, ')')):], []byte(")"))
	fields := bytes.Fields(rest)
	const utime, stime = 14 - 3, 15 - 3 // proc(5) counts from 1; rest begins with field 3
	if !ok || len(fields) <= stime {
		return 0, fmt.Errorf("/proc/PID/stat has an unknown form: %.60q", b)
	}
	var sum int64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * clockTick, nil
}

// processMemory returns the resident and the proportional set size in bytes.
func processMemory(pid int) (rss, pss int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err == nil {
		return kilobytes(b, "Rss:"), kilobytes(b, "Pss:"), nil
	}
	// The process belongs to another user: only its status is readable.
	b, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return kilobytes(b, "VmRSS:"), unknown, err
}

// unknown is the value of an amount of memory that cannot be read.
const unknown = -1

// kilobytes returns the value in the line "name N kB", in bytes.
func kilobytes(b []byte, name string) int64 {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) >= 2 && string(f[0]) == name {
			if n, err := strconv.ParseInt(string(f[1]), 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return unknown
}

// processFiles returns the limit of open files of a process.
func processFiles(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			f := strings.Fields(rest)
			if len(f) > 0 {
				return strconv.Atoi(f[0])
			}
		}
	}
	return 0, fmt.Errorf("/proc/%d/limits has no line for open files", pid)
}

// tcpBuffers returns the memory that TCP on this machine holds for data, in bytes: queued data and reserved memory. It is
// the field mem of the line TCP in /proc/net/sockstat, in pages. An idle socket has none.
func tcpBuffers() int64 {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return unknown
	}
	return parseSockstat(b)
}

func parseSockstat(b []byte) int64 {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) == 0 || string(f[0]) != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			if string(f[i]) == "mem" {
				if n, err := strconv.ParseInt(string(f[i+1]), 10, 64); err == nil {
					return n * int64(os.Getpagesize())
				}
			}
		}
	}
	return unknown
}

// socketSlabs returns the memory of this machine's socket objects: the objects in use of the caches below, with their share
// of the slabs' pages. Only root may read it.
func socketSlabs() int64 {
	b, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return unknown
	}
	return parseSlabs(b)
}

// socketCaches are the slab caches that the kernel uses for TCP connections only, and filp, which has an object for each open
// file. The entry in the dentry cache (192 bytes, which cannot be told from those of files), the item of the epoll set, and
// what security modules add are not counted.
var socketCaches = map[string]bool{
	"TCP": true, "TCPv6": true, "sock_inode_cache": true, "filp": true,
	"request_sock_TCP": true, "request_sock_TCPv6": true,
}

func parseSlabs(b []byte) int64 {
	sum := int64(0)
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || !socketCaches[f[0]] {
			continue
		}
		active, _ := strconv.ParseInt(f[1], 10, 64)
		perSlab, _ := strconv.ParseInt(f[4], 10, 64)
		pages, _ := strconv.ParseInt(f[5], 10, 64)
		if perSlab > 0 {
			sum += active * pages * int64(os.Getpagesize()) / perSlab
		}
	}
	return sum
}

// kernelSlabs returns the total slab memory of this machine's kernel.
func kernelSlabs() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return unknown
	}
	return kilobytes(b, "Slab:")
}
