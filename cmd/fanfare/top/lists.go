package top

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
)

// clientName is what tells a client from others.
func clientName(c *survey.Client) string {
	name := c.Address
	if name == "" {
		name = "Unix socket"
	}
	if c.User != "" {
		name = c.User + " " + name
	}
	return clean(name)
}

// slow returns the clients for which something waits.
func (m *model) slow() (all []survey.Client) {
	for _, c := range m.state.clients.Clients {
		if c.Pending > 0 {
			all = append(all, c)
		}
	}
	return all
}

// table shows a header and rows, of which one is chosen. The first column takes the room that the others, of columnWidth, leave.
func (m *model) table(room int, header []string, rows [][]string, empty string) (lines []string) {
	line := func(cells []string) string {
		columns := min(len(header)-1, max(0, m.width-30)/columnWidth)
		l := " " + fit(cells[0], m.width-2-columns*columnWidth)
		for _, c := range cells[1 : columns+1] {
			l += right(c, columnWidth)
		}
		return fit(l, m.width)
	}
	lines = append(lines, m.styles.faint(line(header)))
	if len(rows) == 0 {
		return append(lines, fit(" "+empty, m.width))
	}
	room = max(1, room-1)
	from := max(0, min(m.row-room/2, len(rows)-room))
	for i := from; i < min(len(rows), from+room); i++ {
		l := line(rows[i])
		if i == m.row {
			l = m.styles.chosen(l)
		}
		lines = append(lines, l)
	}
	return lines
}

const columnWidth = 12

func (m *model) topicsLines(room int) []string {
	r := &m.state.topics
	lines := []string{fit(fmt.Sprintf(" %s, those with the most %s first (s changes that)", plural(r.Total, "topic"), sortNames[survey.Sorts[m.sorting]]), m.width)}
	var rows [][]string
	for i := range r.Topics {
		t := &r.Topics[i]
		rows = append(rows, []string{
			clean(t.Name), rateOf(t.Rate), grouped(t.Subscribers), grouped(t.Lagging), grouped(t.Dropped), grouped(t.Held), grouped(t.Published),
		})
	}
	empty := "There is no such topic now."
	if r.Measured == 0 && r.Sort == "rate" {
		empty = "Rates come with the next figures."
	}
	return append(lines, m.table(room-1, []string{"Topic", "messages", "subscribers", "lagging", "dropped", "held", "ever"}, rows, empty)...)
}

var sortNames = map[string]string{
	"rate": "messages per second", "subscribers": "subscribers", "lagging": "lagging subscribers", "dropped": "losses",
	"history": "messages held", "published": "messages ever",
}

func (m *model) clientsLines(room int) []string {
	r := &m.state.clients
	lines := []string{fit(fmt.Sprintf(" %s, those with the most bytes pending first", plural(r.Total, "client")), m.width)}
	var rows [][]string
	for i := range r.Clients {
		c := &r.Clients[i]
		rows = append(rows, []string{clientName(c) + "  " + clean(c.Path), bytes(float64(c.Pending)), bytes(float64(c.Unacked)), seconds(c.Idle), grouped(c.Topics)})
	}
	return append(lines, m.table(room-1, []string{"Client", "pending", "in kernel", "idle", "topics"}, rows, "There are no clients.")...)
}

// closesLines shows counters by name side by side.
func (m *model) closesLines(room int) (lines []string) {
	s := m.state.status
	groups := []struct {
		title    string
		counters map[string]int64
	}{
		{"Closes by code", s.Conns.Closes}, {"Refusals by reason", s.Conns.Refusals}, {"Lost messages by policy", s.Topics.Drops},
		{"Abnormal closes by cause", s.Conns.Abnormal}, {"Handshakes by outcome", s.Conns.Outcomes}, {"Recoveries by outcome", s.Hub.Recoveries},
	}
	const side = 3
	width := m.width/side - 1
	for at := 0; at < len(groups); at += side {
		rows := max(2, (room-len(lines))/(2-at/side)-1)
		block := make([]string, rows)
		for _, g := range groups[at : at+side] {
			names := byCount(g.counters)
			for i := range block {
				cell := ""
				switch {
				case i == 0:
					cell = m.styles.strong(fit(g.title, width))
				case i == 1 && len(names) == 0:
					cell = m.styles.faint(fit("none", width))
				case i == rows-1 && len(names) > rows-1:
					cell = fit(fmt.Sprintf("and %d more", len(names)-i+1), width)
				case i <= len(names):
					cell = fit(clean(names[i-1]), width-13) + right(grouped(g.counters[names[i-1]]), 10) + "   "
				default:
					cell = fit("", width)
				}
				block[i] += " " + cell
			}
		}
		lines = append(append(lines, block...), "")
	}
	return lines
}
