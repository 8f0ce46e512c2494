package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
)

// threshold is a value of -fail: a condition that makes the run fail.
type threshold struct {
	text   string
	metric *metric
	op     string
	limit  float64 // in the unit of the metric
	share  bool    // the limit is a percentage
}

// thresholds is the value of -fail.
type thresholds []threshold

func (ts *thresholds) String() string { return "" }

var thresholdForm = regexp.MustCompile(`^\s*([A-Za-z0-9.-]+)\s*(>=|<=|>|<)\s*(\S.*?)\s*$`)

func (ts *thresholds) Set(s string) error {
	m := thresholdForm.FindStringSubmatch(s)
	if m == nil {
		return errors.New("a threshold must be a metric, one of > >= < <=, and a value, such as p99>50ms")
	}
	t := threshold{text: m[1] + m[2] + m[3], op: m[2]}
	if t.metric = findMetric(m[1]); t.metric == nil {
		return fmt.Errorf("unknown metric %q; the metrics are %s", m[1], metricNames())
	}
	var err error
	if t.limit, t.share, err = t.metric.unit.parse(m[3]); err != nil {
		return err
	}
	*ts = append(*ts, t)
	return nil
}

// validate returns an error if the run will not measure the metric.
func (t *threshold) validate(o *options) error {
	silent := o.command == "idle" && !o.echo
	switch of := t.metric.of; {
	case of == ofMessages && silent:
		return fmt.Errorf("-fail %s: idle sends no messages without -echo", t.text)
	case of == ofServer && o.command != "idle":
		return fmt.Errorf("-fail %s: only idle measures bytes per connection", t.text)
	case of == ofServer && o.pid == 0, t.metric.name == "cpu" && o.pid == 0:
		return fmt.Errorf("-fail %s: the metric needs the server's process, -pid", t.text)
	}
	return nil
}

// exceeded reports whether the threshold's condition is met.
func (t *threshold) exceeded(v float64) bool {
	switch t.op {
	case ">":
		return v > t.limit
	case ">=":
		return v >= t.limit
	case "<":
		return v < t.limit
	}
	return v <= t.limit
}

// thresholdReport is the result of a threshold.
type thresholdReport struct {
	Threshold string `json:"threshold"`
	Flags     string `json:"flags,omitempty"` // of the messagesReport in Then that was judged
	// Value is in the unit of the metric: microseconds, bytes, percent, per second, or a number. It is absent if nothing was
	// measured, which makes the run fail, too.
	Value  *float64 `json:"value,omitempty"`
	Failed bool     `json:"failed"`
	says   string   // the value, with its unit
}

// judge compares the measurements with all thresholds.
func (r *report) judge(all []threshold) {
	for i := range all {
		t := &all[i]
		switch t.metric.of {
		case ofMessages:
			for _, m := range r.traffic() {
				r.judged(t, m.Flags, t.metric.messages(m), m.Expected)
			}
		case ofConnections:
			r.judged(t, "", t.metric.connections(&r.Connections), int64(r.Connections.Wanted))
		case ofServer:
			r.judged(t, "", r.bytesEach(), 0)
		}
	}
}

// judged adds the result of one threshold; v is nil if nothing was measured.
func (r *report) judged(t *threshold, flags string, v *float64, all int64) {
	one := thresholdReport{Threshold: t.text, Flags: flags, Value: v, Failed: true, says: "unknown, because nothing was measured"}
	if v != nil {
		unit := t.metric.unit
		if t.share {
			v, unit = ptr(100**v/float64(max(1, all))), unitShare
		}
		one.Value, one.Failed, one.says = v, t.exceeded(*v), unit.text(*v)
	}
	r.Thresholds = append(r.Thresholds, one)
}

// traffic returns the reports of messages, and of connections that were opened and closed.
func (r *report) traffic() (all []*messagesReport) {
	for _, m := range append([]*messagesReport{r.Messages, r.Cycles}, r.Then...) {
		if m != nil {
			all = append(all, m)
		}
	}
	if len(all) == 0 { // the run ended before the first
		all = append(all, new(messagesReport))
	}
	return all
}

// bytesEach returns the server's memory per connection at the last stage.
func (r *report) bytesEach() *float64 {
	if len(r.Memory) == 0 {
		return nil
	}
	return r.Memory[len(r.Memory)-1].Server.RSS.PerConnection
}

// failed reports whether a threshold failed.
func (r *report) failed() bool {
	for _, t := range r.Thresholds {
		if t.Failed {
			return true
		}
	}
	return false
}

// unit is the unit of a metric's values.
type unit int

const (
	unitTime unit = iota
	unitBytes
	unitCount
	unitRate
	unitShare
)

// parse parses a limit.
func (u unit) parse(s string) (limit float64, isShare bool, err error) {
	switch u {
	case unitTime:
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, false, fmt.Errorf("%q is not a duration; write a number with a unit, such as 50ms or 800µs", s)
		}
		return float64(d) / 1e3, false, nil
	case unitBytes:
		n, err := daemon.ParseSize(s)
		return float64(n), false, err
	}
	p, isShare := strings.CutSuffix(s, "%")
	limit, err = strconv.ParseFloat(strings.TrimSpace(p), 64)
	if err != nil || !(limit >= 0) || isShare && u == unitRate {
		example := "10, or a percentage such as 0.1%"
		if u == unitRate {
			example = "1000, per second"
		}
		return 0, false, fmt.Errorf("%q is not a number; write a number such as %s", s, example)
	}
	return limit, isShare, nil
}

// text formats a value.
func (u unit) text(v float64) string {
	switch u {
	case unitTime:
		return durationText(time.Duration(v * 1e3))
	case unitBytes:
		return comma(int64(v+0.5)) + " B"
	case unitRate:
		return commaRate(v) + " per second"
	case unitShare:
		return strconv.FormatFloat(v, 'g', 3, 64) + " %"
	}
	return comma(int64(v))
}
