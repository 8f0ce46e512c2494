package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// switchesReport has the context switches of all threads of the server per message. A thread that waits is switched
// voluntarily; one that the scheduler takes from its processor is switched involuntarily.
type switchesReport struct {
	Voluntary   float64 `json:"voluntary"`
	Involuntary float64 `json:"involuntary"`
}

// switches are the context switches of a thread so far.
type switches struct{ voluntary, involuntary int64 }

// threadSwitches returns the context switches of each thread of a process: nil if they cannot be read.
func threadSwitches(pid int) map[int]switches {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	all := map[int]switches{}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid))
		if err != nil {
			continue // the thread has ended
		}
		if s, ok := parseSwitches(b); ok {
			all[tid] = s
		}
	}
	return all
}

// parseSwitches reads /proc/PID/task/TID/status.
func parseSwitches(status []byte) (s switches, ok bool) {
	found := 0
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		into := map[string]*int64{"voluntary_ctxt_switches": &s.voluntary, "nonvoluntary_ctxt_switches": &s.involuntary}[string(name)]
		if into == nil {
			continue
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		if err != nil {
			return switches{}, false
		}
		*into = n
		found++
	}
	return s, found == 2
}

// switchesSince returns the context switches between two readings per message. Those of threads that have ended in between
// are missing. It returns nil without readings or messages.
func switchesSince(before, after map[int]switches, messages int64) *switchesReport {
	if before == nil || len(after) == 0 || messages == 0 {
		return nil
	}
	var sum switches
	for tid, now := range after { // a new thread has no reading before, which is zero
		sum.voluntary += now.voluntary - before[tid].voluntary
		sum.involuntary += now.involuntary - before[tid].involuntary
	}
	return &switchesReport{float64(sum.voluntary) / float64(messages), float64(sum.involuntary) / float64(messages)}
}
