package main

import (
	"os"
	"testing"
)

func TestParseSwitches(t *testing.T) {
	s, ok := parseSwitches([]byte("Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n"))
	want(t, "switches", s, switches{12, 3})
	want(t, "complete", ok, true)
	for _, b := range []string{"", "voluntary_ctxt_switches:\t12\n", "voluntary_ctxt_switches:\tx\nnonvoluntary_ctxt_switches:\t3\n"} {
		if _, ok := parseSwitches([]byte(b)); ok {
			t.Errorf("%q is complete", b)
		}
	}
}

func TestSwitchesSince(t *testing.T) {
	before := map[int]switches{1: {10, 5}, 2: {7, 7}}
	after := map[int]switches{1: {30, 6}, 3: {20, 1}} // thread 2 has ended, thread 3 is new
	want(t, "per message", *switchesSince(before, after, 10), switchesReport{4, 0.2})
	for _, r := range []*switchesReport{switchesSince(nil, after, 10), switchesSince(before, nil, 10), switchesSince(before, after, 0)} {
		if r != nil {
			t.Errorf("%+v of nothing", r)
		}
	}
	if all := threadSwitches(os.Getpid()); len(all) < 2 {
		t.Errorf("this process has %d threads", len(all))
	}
	if all := threadSwitches(1 << 30); all != nil {
		t.Errorf("a process that does not exist has %v", all)
	}
}

// TestSwitches checks that the report has them: client and server of an echo wait for each other.
func TestSwitches(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "echo", "-json", "-q", "-n", "1", "-count", "500", "-pid", self, ourEcho(t))
	r.wantOK(t)
	if s := r.report.Messages.Switches; s == nil || s.Voluntary <= 0 || s.Involuntary < 0 {
		t.Errorf("%+v", s)
	}
}
