package top

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/history"
)

// figure is a line of the overview.
type figure struct {
	label, value string
	values       []float64
	note         string
}

// figures returns the lines of the overview.
func (m *model) figures() []figure {
	s, st := m.state.status, &m.state
	c, p, e, t := &s.Conns, &s.Process, &s.Engine, &s.Topics
	perConn := "per connection: from 100 on"
	if p.PerConn > 0 {
		perConn = fmt.Sprintf("%s/connection + %s kernel", bytes(float64(p.PerConn)), bytes(float64(p.KernelSocket)))
	}
	limit := ""
	if c.Limit > 0 {
		limit = "of " + grouped(c.Limit) + ", "
	}
	return []figure{
		{"Connections", grouped(c.WebSockets), st.series["websockets"], limit + perSecond(st.last("outcomes.opened")) + " opened"},
		{"Messages in", perSecond(st.last("messages_in")), st.series["messages_in"], bytes(st.last("bytes_in")) + "/s"},
		{"Messages out", perSecond(st.last("messages_out")), st.series["messages_out"], bytes(st.last("bytes_out")) + "/s"},
		{"Deliveries", perSecond(st.last("delivered")), st.series["delivered"], fmt.Sprintf("%s, %s", plural(t.Open, "topic"), plural(t.Subscriptions, "subscription"))},
		{"Worker wait", seconds(st.last("ready_wait_p99")), st.series["ready_wait_p99"], fmt.Sprintf("half within %s; %d of %d busy", seconds(st.last("ready_wait_p50")), e.Busy, e.Workers)},
		{"Loop lag", seconds(st.last("loop_lag_p99")), st.series["loop_lag_p99"], "half within " + seconds(st.last("loop_lag_p50"))},
		{"Fan-out", seconds(st.last("fanout_p99")), st.series["fanout_p99"], "half within " + seconds(st.last("fanout_p50"))},
		{"Memory", bytes(float64(p.RSS)), st.series["rss"], perConn},
		{"CPU", significant(st.last("cpu")) + " cores", st.series["cpu"], fmt.Sprintf("%s, %d of %d files", plural(p.Goroutines, "goroutine"), p.Files, p.FileLimit)},
		{"Pending", bytes(float64(e.Queued)), st.series["queued"], fmt.Sprintf("%s lagging, %s closed as too slow", grouped(t.Lagging), grouped(e.Slow+t.Evicted))},
		m.counted("Lost", "drops", t.Drops),
		m.counted("Closes", "closes", c.Closes),
		m.counted("Refusals", "refusals", c.Refusals),
	}
}

// counted returns the line of counters by name: their present rate, and the largest ones since the start.
func (m *model) counted(label, group string, counters map[string]int64) figure {
	sum := make([]float64, len(m.state.series["websockets"]))
	for name, v := range m.state.series {
		if strings.HasPrefix(name, group+".") {
			for i := range min(len(v), len(sum)) {
				sum[i] += v[i]
			}
		}
	}
	now := 0.0
	if len(sum) > 0 {
		now = sum[len(sum)-1]
	}
	var all []string
	for _, name := range byCount(counters)[:min(3, len(byCount(counters)))] {
		all = append(all, fmt.Sprintf("%s %s", clean(name), grouped(counters[name])))
	}
	note := "none"
	if len(all) > 0 {
		note = strings.Join(all, ", ")
	}
	return figure{label, perSecond(now), sum, note}
}

// byCount returns the names of counters that are not 0, the largest first.
func byCount(counters map[string]int64) (names []string) {
	for name, n := range counters {
		if n != 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if counters[a] != counters[b] {
			return int(max(-1, min(1, counters[b]-counters[a])))
		}
		return strings.Compare(a, b)
	})
	return names
}

// The columns of the overview.
const (
	labelWidth = 14
	valueWidth = 13
)

func (m *model) overviewLines(room int) (lines []string) {
	graph := min(max((m.width-labelWidth-valueWidth-4)/3, 0), kept)
	for _, f := range m.figures() {
		rest := max(0, m.width-labelWidth-valueWidth-graph-4)
		lines = append(lines, " "+fit(f.label, labelWidth)+m.styles.strong(right(f.value, valueWidth))+"  "+
			m.styles.graph(sparkline(history.Values(f.values), graph))+" "+m.styles.faint(fit(f.note, rest)))
	}
	if room <= len(lines)+2 {
		return lines
	}
	return append(lines, m.overviewLists()...)
}

// overviewRows returns the number of topics that have room in the overview.
func (m *model) overviewRows() int {
	return max(0, m.height-len(m.alerts())-3-13-1) // the title, the tabs and the keys; the figures; the header of the list
}

// overviewLists shows the busiest topics beside the slowest clients.
func (m *model) overviewLists() (lines []string) {
	left := m.width * 3 / 5
	name, empty := " Busiest topics", " No topic gets messages now."
	if m.single {
		name, empty = " Largest topics", " There are no topics."
	} else if m.state.topics.Measured == 0 {
		empty = " Rates come with the next figures."
	}
	title := fit(name, left-22) + right("subscribers", 12) + right("messages", 10)
	lines = append(lines, m.styles.faint(fit(title, left)+"  "+fit("Slowest clients", m.width-left-12)+right("pending", 10)))
	for i := range m.overviewRows() {
		l, r := "", ""
		if i < len(m.state.topics.Topics) {
			t := &m.state.topics.Topics[i]
			l = " " + fit(clean(t.Name), left-23) + right(grouped(t.Subscribers), 12) + right(rateOf(t.Rate), 10)
		} else if i == 0 {
			l = empty
		}
		if slow := m.slow(); i < len(slow) {
			r = fit(clientName(&slow[i]), m.width-left-13) + " " + right(bytes(float64(slow[i].Pending)), 10)
		} else if i == 0 {
			r = "No client is slow."
		}
		l = fit(l, left)
		if i == m.row && i < len(m.state.topics.Topics) {
			l = m.styles.chosen(l)
		}
		lines = append(lines, l+"  "+fit(r, m.width-left-2))
	}
	return lines
}

func rateOf(rate *float64) string {
	if rate == nil {
		return "–"
	}
	return perSecond(*rate)
}

// number returns a value that may be missing.
func number(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
