package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestThresholdSyntax(t *testing.T) {
	for expr, want := range map[string]string{
		"p99>50ms":         "{p99>50ms 50000 false}",
		" p99.9 >= 800µs ": "{p99.9>=800µs 800 false}",
		"max<1s":           "{max<1s 1e+06 false}",
		"cpu>20us":         "{cpu>20us 20 false}",
		"rate<1000":        "{rate<1000 1000 false}",
		"missing>0.1%":     "{missing>0.1% 0.1 true}",
		"lost>0":           "{lost>0 0 false}",
		"bytes>10KiB":      "{bytes>10KiB 10240 false}",
	} {
		var ts thresholds
		if err := ts.Set(expr); err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if got := fmt.Sprint("{", ts[0].text, " ", ts[0].limit, " ", ts[0].share, "}"); got != want {
			t.Errorf("%q is %s, want %s", expr, got, want)
		}
	}
}

// TestThresholdRefused checks that bad thresholds are refused with an error that describes good ones.
func TestThresholdRefused(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"echo|-fail|p98>5ms", `unknown metric "p98"; the metrics are min, mean, p50, p90, p95, p99`},
		{"echo|-fail|p99", "such as p99>50ms"},
		{"echo|-fail|p99=50ms", "one of > >= < <="},
		{"echo|-fail|p99>", "such as p99>50ms"},
		{"echo|-fail|p99>50", `"50" is not a duration; write a number with a unit, such as 50ms`},
		{"echo|-fail|p99>-1ms", "not a duration"},
		{"echo|-fail|rate<NaN", "not a number"},
		{"echo|-fail|rate<10%", "1000, per second"},
		{"echo|-fail|missing>few", "0.1%"},
		{"idle|-pid|" + self + "|-fail|bytes>big", "is not a size"},
		{"idle|-fail|bytes>400", "needs the server's process, -pid"},
		{"echo|-pid|" + self + "|-fail|bytes>400", "only idle"},
		{"echo|-fail|cpu>10us", "needs the server's process, -pid"},
		{"idle|-fail|p99>5ms", "without -echo"},
		{"echo|-think|1s|-rate|5", "-think and -rate exclude"},
		{"echo|-think|1s|-pipeline|5", "-think and -pipeline exclude"},
		{"echo|-think|-1s", "-think is -1s"},
		{"broadcast|-think|1s", "unknown flag -think"},
		{"churn|-ramp|1s", "churn has no -ramp"},
		{"idle|-ramp|-1s", "-ramp is -1s"},
		{"echo|-size|5MB5", "is not a size"},
	} {
		r := runProgram(t, append(strings.Split(c.args, "|"), "ws://localhost/")...)
		want(t, "status", r.status, exitUsage)
		if r.stdout != "" || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%s: it says\n%s%s, and not %q", c.args, r.stdout, r.stderr, c.says)
		}
	}
}

// TestThresholds judges a good load by thresholds that it meets and by others.
func TestThresholds(t *testing.T) {
	url := ourEcho(t)
	for _, c := range []struct {
		args string
		fail []string // as the table says
	}{
		{"echo -count 20 -fail p99>1m -fail missing>0 -fail failed>=1 -fail rate<0.001", nil},
		{"echo -count 20 -fail p50>=0ms -fail max>1m -fail rate>1 -fail lost<=0", []string{"FAILED p50>=0ms: it is ", "FAILED rate>1: it is ", " per second", "FAILED lost<=0: it is 0"}},
		{"echo -count 20 -fail wrong<5% -fail opened>=0", []string{"FAILED wrong<5%: it is 0 %", "FAILED opened>=0"}},
		{"idle -hold 0s -pid " + self + " -fail bytes>1KiB -fail bytes<1GiB -fail opened<0", []string{"FAILED bytes<1GiB: it is ", " B\n"}},
		{"idle -hold 0s -rest 0s -echo -fail p99<1m", []string{"FAILED p99<1m"}},
		{"churn -count 5 -fail max<1m", []string{"FAILED max<1m"}},
		{"echo -count 20 -pid " + self + " -fail cpu>1h", nil},
	} {
		checkLeaks(t)
		r := runProgram(t, append(strings.Fields(c.args), "-q", url)...)
		want(t, c.args, r.status == exitOK, len(c.fail) == 0)
		for _, line := range c.fail {
			if !strings.Contains(r.stdout, line) {
				t.Errorf("%s: no %q", c.args, line)
			}
		}
		if len(c.fail) == 0 != strings.Contains(r.stdout, "ok: nothing was lost") || len(c.fail) == 0 && strings.Contains(r.stdout, "FAILED") {
			t.Errorf("%s: the verdict is wrong", c.args)
		}
	}
}

// TestThresholdsThen judges each load, in JSON.
func TestThresholdsThen(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "broadcast", "-json", "-q", "-n", "3", "-count", "9", "-rate", "1000", "-then", "-window 1 -count 4",
		"-fail", "p99<1m", "-fail", "duplicated>0", theirBroadcast(t, nil))
	want(t, "status", r.status, exitFault)
	want(t, "ok", r.report.OK, false)
	want(t, "faults", len(r.report.Faults), 0)
	said := ""
	for _, v := range r.report.Thresholds {
		said += fmt.Sprintf("%s %q %v %v; ", v.Threshold, v.Flags, v.Value != nil, v.Failed)
	}
	want(t, "verdicts", said, `p99<1m "" true true; p99<1m "-window 1 -count 4" true true; duplicated>0 "" true false; duplicated>0 "-window 1 -count 4" true false; `)
}

// TestThresholdUnknown checks that a metric that was not measured fails.
func TestThresholdUnknown(t *testing.T) {
	checkLeaks(t)
	url := ours(t, &wsproto.Server{Handler: &wsproto.Funcs{}})
	r := runProgram(t, "echo", "-q", "-n", "1", "-count", "1", "-drain", "50ms", "-fail", "p99>1m", "-fail", "missing>=100%", url)
	want(t, "status", r.status, exitFault)
	for _, line := range []string{"FAILED p99>1m: it is unknown, because nothing was measured\n", "FAILED missing>=100%: it is 100 %\n"} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("no %q", line)
		}
	}
}
