package history

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// state returns a server after some seconds, with 10 more messages and one more close than a second before.
func state(second int) *snapshot {
	n := int64(second)
	s := &snapshot{Time: began.Add(time.Duration(second) * time.Second), Started: began}
	s.Conns.WebSockets = 100 + n
	s.Traffic.MessagesIn = 10 * n
	s.Process.CPUSeconds = 0.5 * float64(n)
	s.Conns.Closes = map[string]int64{"1000": n}
	s.Engine.ReadyWait = monitor.Histogram{Bounds: []float64{0.001, 0.1}, Counts: []int64{4 * n, 0, 0}}
	return s
}

func filled(seconds int) *History {
	h := New()
	for i := range seconds + 1 {
		h.Add(state(i))
	}
	return h
}

// Rates are those of each second; the oldest points go.
func TestHistory(t *testing.T) {
	p := filled(1000).Since(0)
	if fine, coarse := len(p.Fine.Times), len(p.Coarse.Times); fine != 300 || coarse != 90 {
		t.Fatalf("there are %d and %d points", fine, coarse)
	}
	for _, points := range []Points{p.Fine, p.Coarse} {
		for i := range points.Times {
			at := time.UnixMilli(points.Times[i]).Sub(began).Seconds()
			if age := 1000 - at; age != float64(len(points.Times)-1-i)*points.Every {
				t.Errorf("point %d of those each %v s is %v s old", i, points.Every, age)
			}
			for name, want := range map[string]float64{
				"websockets": 100 + at, "messages_in": 10, "cpu": 0.5, "closes.1000": 1, "ready_wait_p50": 0.0005, "topics": 0,
			} {
				if got := points.Series[name][i]; math.Abs(got-want) > 1e-6 {
					t.Errorf("%s at %v s: %v, want %v", name, at, got, want)
				}
			}
			if got := points.Series["loop_lag_p99"][i]; !math.IsNaN(got) {
				t.Errorf("nothing was measured, and its percentile is %v", got)
			}
		}
	}
}

// A page continues the one before.
func TestSince(t *testing.T) {
	h := filled(40)
	first := h.Since(0)
	if again := h.Since(first.Next); len(again.Fine.Times)+len(again.Coarse.Times) != 0 {
		t.Errorf("nothing has come, and the page is %v", again)
	}
	for i := 41; i <= 52; i++ {
		h.Add(state(i))
	}
	next := h.Since(first.Next)
	if fine, coarse := len(next.Fine.Times), len(next.Coarse.Times); fine != 12 || coarse != 1 {
		t.Errorf("12 seconds have %d and %d points", fine, coarse)
	}
	if got := next.Fine.Series["websockets"]; got[0] != 141 || got[11] != 152 {
		t.Errorf("the values are %v", got)
	}
	if all := h.Since(1 << 40); len(all.Fine.Times) != 52 {
		t.Errorf("after the page of another process there are %d points", len(all.Fine.Times))
	}
}

// Points that come too early, because the timer is late and then on time, are left out, and the rates remain right.
func TestUnevenTime(t *testing.T) {
	h := New()
	h.Add(state(0))
	early := state(0)
	early.Time = early.Time.Add(100 * time.Millisecond)
	h.Add(early)
	late := state(3)
	h.Add(late)
	p := h.Since(0)
	if got := p.Fine.Series["messages_in"]; len(got) != 1 || got[0] != 10 {
		t.Errorf("the rates are %v", got)
	}
}

// Peers cannot make a history grow: names beyond the limit are counted together.
func TestManyNames(t *testing.T) {
	h := New()
	s := state(0)
	h.Add(s)
	for second := 1; second <= 2; second++ {
		s = state(second)
		s.Conns.Refusals = make(map[string]int64)
		for i := range 1000 {
			s.Conns.Refusals[fmt.Sprint(i)] = int64(second)
		}
		h.Add(s)
	}
	names, sum := 0, 0.0
	for name, v := range h.Since(0).Fine.Series {
		if len(name) > 9 && name[:9] == "refusals." {
			names++
			sum += v[1]
		}
	}
	if names != maxNames+1 || sum != 1000 {
		t.Errorf("%d names have figures, of %v refusals", names, sum)
	}
}

func TestJSON(t *testing.T) {
	for want, v := range map[string]Values{
		`[]`: {}, `7`: {7, 7, 7}, `null`: {math.NaN(), math.NaN()}, `[1,null,0.3333]`: {1, math.NaN(), 1.0 / 3},
		`[1234567,1.235e+08]`: {1234567, 123456789},
	} {
		if b, err := json.Marshal(v); err != nil || string(b) != want {
			t.Errorf("%v: %s %v, want %s", v, b, err, want)
		}
	}
	p := filled(30).Since(0)
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Page
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	for name, v := range p.Fine.Series {
		for i, want := range v {
			if got := back.Fine.Series[name][i]; math.Abs(got-want) > 1e-4*want || math.IsNaN(got) != math.IsNaN(want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
	if !reflect.DeepEqual(back.Fine.Times, p.Fine.Times) || back.Next != p.Next || !back.Started.Equal(began) {
		t.Errorf("%+v, want %+v", back, p)
	}
	if err := json.Unmarshal([]byte(`{"times":[1,2],"series":{"x":[1,2,3]}}`), new(Points)); err == nil {
		t.Error("3 values for 2 times are taken")
	}
}

func TestQuantile(t *testing.T) {
	h := func(counts ...int64) *monitor.Histogram {
		return &monitor.Histogram{Bounds: []float64{1, 2, 4}, Counts: counts}
	}
	for _, c := range []struct {
		q        float64
		was, now *monitor.Histogram
		want     float64
	}{
		{0.5, nil, h(10, 0, 0, 0), 0.5},
		{0.5, h(10, 0, 0, 0), h(10, 10, 0, 0), 1.5},
		{0.99, h(0, 0, 0, 0), h(50, 0, 50, 0), 3.96},
		{0.5, nil, h(0, 0, 0, 3), 4}, // above all bounds
		{1, nil, h(1, 1, 0, 0), 2},
		{0.5, h(1, 2, 3, 4), h(1, 2, 3, 4), math.NaN()},
		{0.5, nil, &monitor.Histogram{}, math.NaN()},
	} {
		if got := Quantile(c.q, c.was, c.now); math.Abs(got-c.want) > 1e-9 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%v of %v to %v: %v, want %v", c.q, c.was, c.now, got, c.want)
		}
	}
}

// Start takes a state at once, and none after Close.
func TestStart(t *testing.T) {
	h := New()
	taken := make(chan struct{}, 100)
	n := 0
	h.Start(func() *snapshot {
		taken <- struct{}{}
		n++
		return state(n)
	})
	for range 2 {
		<-taken
	}
	h.Close()
	if got := h.Since(0); got.Next < 1 {
		t.Errorf("%d states were added", got.Next)
	}
}

func BenchmarkAdd(b *testing.B) {
	h := New()
	all := make([]*snapshot, 100)
	for i := range all {
		all[i] = state(i)
	}
	at := 0
	for b.Loop() {
		s := all[at%len(all)]
		s.Time = began.Add(time.Duration(at) * time.Second)
		h.Add(s)
		at++
	}
}

func BenchmarkFirstPage(b *testing.B) {
	h := filled(1000)
	for b.Loop() {
		page, err := json.Marshal(h.Since(0))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(page)), "bytes")
	}
}
