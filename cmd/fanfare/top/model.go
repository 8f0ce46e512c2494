package top

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
)

// view is what is shown.
type view int

const (
	overview view = iota
	topics
	clients
	closes
	views // their number
)

var viewNames = [views]string{"Overview", "Topics", "Clients", "Closes and refusals"}

// model is the state of the program.
type model struct {
	ctx    context.Context
	server *server
	every  time.Duration
	styles styles

	width, height int
	view          view
	topic, client string // that is open; "" if none is
	row           int    // that is chosen in a list
	sorting       int    // of topics: an index of survey.Sorts
	paused, help  bool
	single        bool // there is one answer only

	state  state
	err    error // of the last request
	since  time.Time
	asking bool
	again  bool // what is shown has changed while the server was asked
}

func newModel(ctx context.Context, s *server, every time.Duration) *model {
	return &model{ctx: ctx, server: s, every: every, width: 80, height: 24, styles: colored()}
}

// tick is a message that it is time to ask the server.
type tick struct{}

func (m *model) Init() tea.Cmd { return tea.Batch(m.ask(), m.wait()) }

func (m *model) wait() tea.Cmd { return tea.Tick(m.every, func(time.Time) tea.Msg { return tick{} }) }

// ask asks the server, unless it has not answered yet.
func (m *model) ask() tea.Cmd {
	if m.again = m.asking; m.asking {
		return nil
	}
	m.asking = true
	q, next := m.question(), m.state.next
	return func() tea.Msg { return m.server.ask(m.ctx, q, next) }
}

// standing returns the order of the topics in the overview. A single answer has no rates.
func (m *model) standing() string {
	if m.single {
		return "subscribers"
	}
	return "rate"
}

// question returns what the view needs.
func (m *model) question() question {
	q := question{limit: min(max(m.height, 10), survey.Most)}
	switch {
	case m.topic != "":
		q.topic = m.topic
	case m.client != "":
		q.client = m.client
	case m.view == overview:
		q.topics, q.clients = m.standing(), true
	case m.view == topics:
		q.topics = survey.Sorts[m.sorting]
	case m.view == clients:
		q.clients = true
	}
	return q
}

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tick:
		if m.paused {
			return m, m.wait()
		}
		return m, tea.Batch(m.ask(), m.wait())
	case answer:
		return m, m.take(&msg)
	case tea.KeyPressMsg:
		return m, m.press(msg.String())
	}
	return m, nil
}

// take takes an answer. It asks again if the view has changed meanwhile.
func (m *model) take(a *answer) tea.Cmd {
	m.asking = false
	if m.err = a.err; a.err == nil {
		if a.asked != m.question() { // of another view
			a.topic, a.client, a.gone = nil, nil, ""
		}
		m.state.add(a)
		m.since = a.status.Time
		m.row = min(m.row, max(0, m.rows()-1))
	}
	if m.again {
		return m.ask()
	}
	return nil
}

// press handles a key.
func (m *model) press(key string) tea.Cmd {
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "p", "space":
		m.paused = !m.paused
	case "?", "h":
		m.help = !m.help
	case "up", "k":
		m.row = max(0, m.row-1)
	case "down", "j":
		m.row = max(0, min(m.row+1, m.rows()-1))
	case "home", "g":
		m.row = 0
	case "end", "G":
		m.row = max(0, m.rows()-1)
	case "s":
		return m.sort()
	case "enter", "right", "l":
		return m.open()
	case "esc", "backspace", "left":
		return m.back()
	case "tab":
		return m.show((m.view + 1) % views)
	case "shift+tab":
		return m.show((m.view + views - 1) % views)
	case "1", "2", "3", "4":
		return m.show(view(key[0] - '1'))
	}
	return nil
}

// show shows a view.
func (m *model) show(v view) tea.Cmd {
	m.view, m.topic, m.client, m.row, m.help = v, "", "", 0, false
	return m.ask()
}

// sort takes the next order of a list.
func (m *model) sort() tea.Cmd {
	if m.topic != "" || m.client != "" || m.view != topics {
		return nil
	}
	m.sorting, m.row = (m.sorting+1)%len(survey.Sorts), 0
	return m.ask()
}

// rows returns the number of rows that can be chosen.
func (m *model) rows() int { return len(m.choices()) }

// choice is a row that can be opened.
type choice struct{ topic, client string }

func (m *model) choices() (all []choice) {
	switch {
	case m.topic != "":
		if t := m.state.topic; t != nil {
			for _, s := range t.Slowest {
				all = append(all, choice{client: s.ID})
			}
		}
	case m.client != "":
		if c := m.state.client; c != nil {
			for _, s := range c.Subscriptions {
				all = append(all, choice{topic: s.Topic})
			}
		}
	case m.view == overview || m.view == topics:
		for _, t := range m.state.topics.Topics {
			all = append(all, choice{topic: t.Name})
		}
	case m.view == clients:
		for _, c := range m.state.clients.Clients {
			all = append(all, choice{client: c.ID})
		}
	}
	if m.topic == "" && m.client == "" && m.view == overview {
		all = all[:min(len(all), m.overviewRows())]
	}
	return slices.DeleteFunc(all, func(c choice) bool { return c == choice{} })
}

// open opens the chosen row.
func (m *model) open() tea.Cmd {
	all := m.choices()
	if m.row >= len(all) {
		return nil
	}
	c := all[m.row]
	m.topic, m.client, m.row = c.topic, c.client, 0
	return m.ask()
}

// back closes what is open.
func (m *model) back() tea.Cmd {
	if m.help {
		m.help = false
		return nil
	}
	if m.topic == "" && m.client == "" {
		return nil
	}
	m.topic, m.client, m.row = "", "", 0
	return m.ask()
}
