package history

import (
	"math"
	"time"
)

// track has points of one resolution. The oldest is replaced when it is full.
type track struct {
	every  time.Duration
	was    *snapshot // at the last point
	next   int       // where the next point goes
	n      int       // points
	seqs   []int64   // of each point, the number of the Add that made it
	times  []int64   // in Unix milliseconds
	fixed  [][]float32
	groups []map[string][]float32
}

// slack is how much earlier than it should a point may come: timers are not exact.
const slack = FineEvery / 10

func newTrack(every, span time.Duration) *track {
	size := int(span / every)
	t := &track{every: every, seqs: make([]int64, size), times: make([]int64, size)}
	for range figures {
		t.fixed = append(t.fixed, make([]float32, size))
	}
	for range groups {
		t.groups = append(t.groups, make(map[string][]float32))
	}
	return t
}

// add adds a point if it is time for one.
func (t *track) add(seq int64, now *snapshot) {
	if t.was == nil {
		t.was = now
		return
	}
	passed := now.Time.Sub(t.was.Time)
	if passed < t.every-slack {
		return
	}
	i := interval{t.was, now, passed.Seconds()}
	t.seqs[t.next], t.times[t.next] = seq, now.Time.UnixMilli()
	for at, f := range figures {
		t.fixed[at][t.next] = float32(f.of(i))
	}
	for at, g := range groups {
		t.addGroup(t.groups[at], g, i)
	}
	t.was = now
	t.next = (t.next + 1) % len(t.times)
	t.n = min(t.n+1, len(t.times))
}

func (t *track) addGroup(columns map[string][]float32, g group, i interval) {
	for _, c := range columns {
		c[t.next] = 0
	}
	was := g.of(i.was)
	for name, n := range g.of(i.now) {
		if n -= was[name]; n != 0 {
			t.column(columns, name)[t.next] += float32(float64(n) / i.seconds)
		}
	}
}

// column returns the values of a counter, which has been 0 so far if it is new.
func (t *track) column(columns map[string][]float32, name string) []float32 {
	c := columns[name]
	if c == nil && len(columns) >= maxNames {
		name = other
		c = columns[name]
	}
	if c == nil {
		c = make([]float32, len(t.times))
		columns[name] = c
	}
	return c
}

// since returns the points that were made after the Add number seq.
func (t *track) since(seq int64) Points {
	n := 0
	for n < t.n && t.seqs[t.at(n)] > seq {
		n++
	}
	p := Points{Every: t.every.Seconds(), Times: make([]int64, n), Series: make(map[string]Values)}
	for i := range n {
		p.Times[n-1-i] = t.times[t.at(i)]
	}
	for at, f := range figures {
		p.Series[f.name] = t.values(t.fixed[at], n)
	}
	for at, g := range groups {
		for name, c := range t.groups[at] {
			p.Series[g.name+"."+name] = t.values(c, n)
		}
	}
	return p
}

// at returns the place of the point that is the i-th from the end.
func (t *track) at(i int) int { return (t.next - 1 - i + len(t.times)) % len(t.times) }

// values returns the last n values of a column, in their order.
func (t *track) values(column []float32, n int) Values {
	v := make(Values, n)
	for i := range v {
		if v[n-1-i] = float64(column[t.at(i)]); math.IsInf(v[n-1-i], 0) {
			v[n-1-i] = math.NaN()
		}
	}
	return v
}
