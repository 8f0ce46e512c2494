package top

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/history"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
)

// fact is a name with its value.
type fact struct{ name, value string }

// facts shows two facts in a line.
func (m *model) facts(all []fact) (lines []string) {
	half := m.width / 2
	for i := 0; i < len(all); i += 2 {
		line := ""
		for _, f := range all[i:min(i+2, len(all))] {
			line += " " + fit(f.name, 17) + m.styles.strong(fit(f.value, half-19)) + " "
		}
		lines = append(lines, line)
	}
	return lines
}

func (m *model) topicLines(room int) []string {
	lines := []string{m.styles.strong(fit(" Topic "+clean(m.topic), m.width))}
	t := m.state.topic
	if t == nil || t.Name != m.topic {
		return append(lines, fit(" "+m.pendingText(), m.width))
	}
	rate := number(t.Rate)
	if n := len(m.state.rates); n > 0 {
		rate = m.state.rates[n-1]
	}
	lines = append(lines, m.facts([]fact{
		{"Subscribers", grouped(t.Subscribers)}, {"Messages", perSecond(rate)},
		{"Messages held", grouped(t.Held)}, {"Since it began", grouped(t.Published)},
		{"Lagging", plural(t.Lagging, "subscriber")}, {"Closed as slow", plural(t.Evicted, "subscriber")},
		{"Messages dropped", grouped(t.Dropped)}, {"Position", clean(t.Position.String())},
	})...)
	graph := max(0, m.width-19)
	lines = append(lines, " "+fit("Messages", 17)+m.styles.graph(sparkline(history.Values(m.state.rates), graph)), "")
	var rows [][]string
	for i := range t.Slowest {
		s := &t.Slowest[i]
		rows = append(rows, []string{clientName(&s.Client), grouped(s.Behind), bytes(float64(s.Pending)), grouped(s.Dropped)})
	}
	return append(lines, m.table(room-len(lines), []string{"Slowest subscribers", "behind", "pending", "lost"}, rows, "All subscribers have got everything.")...)
}

func (m *model) clientLines(room int) []string {
	c := m.state.client
	if c == nil || c.ID != m.client {
		return []string{m.styles.strong(fit(" Client", m.width)), fit(" "+m.pendingText(), m.width)}
	}
	lines := []string{m.styles.strong(fit(" Client "+clientName(&c.Client), m.width))}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return clean(s)
	}
	lines = append(lines, m.facts([]fact{
		{"Address", or(c.Address, "Unix socket")}, {"User", or(c.User, "anonymous")},
		{"Path", or(c.Path, "not known yet")}, {"Idle for", seconds(c.Idle)},
		{"Pending", bytes(float64(c.Pending))}, {"In the kernel", bytes(float64(c.Unacked))},
		{"Received", bytes(float64(c.BytesIn))}, {"Sent", bytes(float64(c.BytesOut))},
		{"Round trip", seconds(c.RoundTrip)}, {"Retransmits", grouped(int64(c.Retransmits))},
		{"Subprotocol", or(c.Subprotocol, "none")}, {"Connection", connection(&c.Client)},
	})...)
	lines = append(lines, "")
	var rows [][]string
	for _, s := range c.Subscriptions {
		rows = append(rows, []string{clean(s.Topic), behindText(s.Behind), grouped(s.Dropped)})
	}
	title := "Subscriptions"
	if c.Topics > len(rows) {
		title = fmt.Sprintf("Subscriptions, the %d most behind", len(rows))
	}
	return append(lines, m.table(room-len(lines), []string{title, "behind", "lost"}, rows, "It has no subscriptions.")...)
}

// connection says how bytes travel.
func connection(c *survey.Client) string {
	text := "no TLS"
	if c.TLS {
		text = "TLS"
	}
	if c.Compressed {
		text += ", compressed"
	}
	return text
}

func (m *model) pendingText() string {
	if m.state.gone != "" {
		return m.state.gone
	}
	return "Asking the server …"
}

func behindText(behind *int64) string {
	if behind == nil {
		return "not known"
	}
	return grouped(*behind)
}
