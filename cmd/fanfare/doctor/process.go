package doctor

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// leastThreads are enough for the loops and workers, of which some wait for a disk.
const leastThreads = 256

// processes is the limit of threads.
func (e *examiner) processes() {
	limit, file := e.cgroupLimit("pids", "pids.max", "pids.max")
	if limit == noLimit {
		return
	}
	e.note("threads", limit >= leastThreads, fmt.Sprintf("the cgroup may have %s (%s)", count(limit), file),
		fmt.Sprintf("systemd: TasksMax=%d, Docker: --pids-limit=%[1]d", 4*leastThreads))
}

// processors is whether Go runs as many threads as the cgroup has processors. Go finds that out by itself unless GOMAXPROCS is
// set.
func (e *examiner) processors() {
	quota := e.cpuQuota()
	if quota == 0 {
		e.note("processors", true, fmt.Sprintf("GOMAXPROCS is %d", e.Threads))
		return
	}
	text := fmt.Sprintf("GOMAXPROCS is %d; the cgroup may use %s processors", e.Threads, strconv.FormatFloat(quota, 'f', -1, 64))
	if float64(e.Threads) > max(2, quota+1) { // Go's own choice is 2 at least, and rounds up
		e.note("processors", false, text+", so that the kernel stops the server for a part of the time", "remove the variable GOMAXPROCS")
		return
	}
	e.note("processors", quota >= 1, text, "systemd: CPUQuota=100%, Docker: --cpus=1, Kubernetes: no resources.limits.cpu")
}

// cpuQuota returns the smallest number of processors that the cgroups allow, or 0 for no limit.
func (e *examiner) cpuQuota() (least float64) {
	take := func(quota, period int64) {
		if cpus := float64(quota) / float64(period); quota < noLimit && period > 0 && (least == 0 || cpus < least) {
			least = cpus
		}
	}
	v2, v1 := e.cgroups("cpu")
	for _, dir := range v2 {
		if n := e.numbers(path.Join(dir, "cpu.max")); len(n) == 2 {
			take(n[0], n[1])
		}
	}
	for _, dir := range v1 {
		quota, limited := e.number(path.Join(dir, "cpu.cfs_quota_us")) // -1 for none
		if period, ok := e.number(path.Join(dir, "cpu.cfs_period_us")); ok && limited {
			take(quota, period)
		}
	}
	return least
}

// ioSubmit is whether the server can send to many connections in one call.
func (e *examiner) ioSubmit() {
	err := e.IOSubmit()
	if err == nil {
		e.note("io_submit", true, "the server sends a message to up to 32 connections in one system call")
		return
	}
	raise := []string{"allow io_setup, io_submit and io_destroy in the profile of seccomp (systemd: SystemCallFilter=@aio)"}
	if most, ok := e.sysctl("fs.aio-max-nr"); ok {
		if used, _ := e.sysctl("fs.aio-nr"); used >= most {
			raise = []string{sysctl("fs.aio-max-nr", roundUp(most+1<<16))}
		}
	}
	e.note("io_submit", false, "refused ("+err.Error()+"): each delivery takes a system call of its own", raise...)
}

// clock is whether a program can read the time without a system call.
func (e *examiner) clock() {
	const dir = "sys/devices/system/clocksource/clocksource0/"
	now := e.text(dir + "current_clocksource")
	if now == "" {
		return
	}
	slow := now == "hpet" || now == "acpi_pm" || now == "jiffies" || now == "xen" || now == "refined-jiffies"
	text := "the clock source is " + now
	if slow {
		text += ", with which reading the time takes a system call; there are: " + e.text(dir+"available_clocksource")
	}
	e.note("clock", !slow, text, "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource, if tsc is among them")
}

// kernel notes a release that gets no more corrections.
func (e *examiner) kernel() {
	release := e.text("proc/sys/kernel/osrelease")
	if release == "" {
		return
	}
	major, rest, _ := strings.Cut(release, ".")
	minor := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	good := a > 5 || a == 5 && b >= 4
	text := "Linux " + release
	if !good {
		text += ", which is old: corrections come from the distribution, if at all"
	}
	e.note("kernel", good, text, "a newer release of the distribution")
}
