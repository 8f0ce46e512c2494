package top

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// The smallest window in which something can be shown.
const (
	minWidth  = 40
	minHeight = 10
)

func (m *model) View() tea.View {
	lines := m.lines()
	if len(lines) > m.height {
		lines = lines[:max(0, m.height)]
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.WindowTitle = "fanfare top " + clean(m.server.name)
	return v
}

// lines returns what the window shows.
func (m *model) lines() []string {
	if m.width < minWidth || m.height < minHeight {
		return []string{fit("the window is too small", m.width)}
	}
	head := append([]string{m.title()}, m.alerts()...)
	head = append(head, m.tabs())
	room := m.height - len(head) - 1
	var body []string
	switch {
	case m.help:
		body = m.helpLines()
	case m.state.status == nil:
		body = []string{"", m.styles.faint(fit(" Asking the server …", m.width))}
	case m.topic != "":
		body = m.topicLines(room)
	case m.client != "":
		body = m.clientLines(room)
	default:
		body = [views]func(int) []string{m.overviewLines, m.topicsLines, m.clientsLines, m.closesLines}[m.view](room)
	}
	for len(body) < room {
		body = append(body, "")
	}
	return append(append(head, body[:room]...), m.keys())
}

// title says which server it is.
func (m *model) title() string {
	left := " fanfare top  " + clean(m.server.name)
	when := ""
	if s := m.state.status; s != nil {
		left += "  " + s.State + ", up " + seconds(m.state.uptime().Seconds())
		when = clock(m.since) + " "
	}
	if m.paused {
		when = "paused at " + when
	}
	return m.styles.strong(fit(left, m.width-len(when)) + when)
}

// alerts says what is wrong, in one line, or in more if there is room.
func (m *model) alerts() (lines []string) {
	if m.err != nil {
		text := " " + m.err.Error()
		if m.state.status != nil {
			text += "; these figures are those of " + clock(m.since)
		}
		return m.wrapped(text, m.styles.bad)
	}
	if m.state.status == nil {
		return []string{""}
	}
	all := m.state.status.Alerts
	if len(all) == 0 {
		return []string{m.styles.good(fit(" Nothing is wrong.", m.width))}
	}
	most := max(1, (m.height-20)/4)
	for i, a := range all {
		if i == most && len(all) > most {
			return append(lines, m.styles.warning(fit(fmt.Sprintf(" and %s more", plural(len(all)-most, "alert")), m.width)))
		}
		style := m.styles.warning
		if a.Severity == "critical" {
			style = m.styles.bad
		}
		lines = append(lines, m.wrapped(fmt.Sprintf(" %s: %s: %s", strings.ToUpper(a.Severity), clean(a.Name), clean(a.Text)), style)...)
	}
	return lines
}

// wrapped returns a text in up to two lines.
func (m *model) wrapped(text string, style func(string) string) []string {
	text = clean(text)
	if len([]rune(text)) <= m.width {
		return []string{style(fit(text, m.width))}
	}
	cut := strings.LastIndexByte(string([]rune(text)[:m.width]), ' ')
	if cut <= 1 {
		return []string{style(fit(text, m.width))}
	}
	return []string{style(fit(text[:cut], m.width)), style(fit("  "+text[cut+1:], m.width))}
}

func (m *model) tabs() string {
	var b strings.Builder
	n := 1
	b.WriteByte(' ')
	for v, name := range viewNames {
		text := fmt.Sprintf(" %d %s ", v+1, name)
		if n += len(text); n > m.width {
			break
		}
		if view(v) == m.view {
			text = m.styles.chosen(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

// keys says what the keys do.
func (m *model) keys() string {
	text := " q quit  1-4 view  p pause  ? help"
	switch {
	case m.topic != "" || m.client != "":
		text = " esc back  ↑↓ choose  ⏎ open  q quit  ? help"
	case m.view == clients:
		text = " ↑↓ choose  ⏎ open  1-4 view  p pause  q quit  ? help"
	case m.view == topics:
		text = " ↑↓ choose  ⏎ open  s sort  1-4 view  p pause  q quit  ? help"
	case m.view == overview:
		text = " ↑↓ choose  ⏎ open topic  1-4 view  p pause  q quit  ? help"
	}
	return m.styles.faint(fit(text, m.width))
}

func (m *model) helpLines() []string {
	lines := []string{""}
	for _, l := range [][2]string{
		{"1 2 3 4, tab", "the views: overview, topics, clients, closes and refusals"},
		{"↑ ↓, k j", "choose a row; home and end go to the first and last"},
		{"enter", "open the topic or client of the row"},
		{"esc", "go back"},
		{"s", "sort topics by something else: the header of the list says by what"},
		{"p, space", "pause"},
		{"?", "close this help"},
		{"q", "quit"},
	} {
		lines = append(lines, "  "+m.styles.strong(fit(l[0], 14))+fit(l[1], m.width-16))
	}
	return lines
}
