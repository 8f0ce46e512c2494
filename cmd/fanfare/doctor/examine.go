package doctor

import "cmp"

// goal is the number of connections for which a report says how to raise limits, if the server has no -max-conns.
const goal = 1_000_000

// examiner collects findings.
type examiner struct {
	Machine
	options Options
	report  *Report
}

// Examine returns what limits a server with those options on the machine.
func Examine(m Machine, o Options) *Report {
	e := &examiner{m, o, &Report{Connections: noLimit, LimitedBy: "nothing that is known", Wanted: o.MaxConns}}
	e.openFiles()
	e.allFiles()
	e.watches()
	e.memory()
	e.conntrack()
	e.buffers()
	e.backlog()
	e.ports()
	e.processes()
	e.processors()
	e.ioSubmit()
	e.hugePages()
	e.clock()
	e.kernel()
	return e.report
}

// wanted is the number of connections to plan for.
func (e *examiner) wanted() int64 { return int64(cmp.Or(e.options.MaxConns, goal)) }

// holds adds a finding about a resource that allows so many connections.
func (e *examiner) holds(name string, n int64, text string, raise ...string) {
	n = max(n, 0)
	f := Finding{Name: name, Level: OK, Connections: &n, Text: text}
	if n < e.wanted() {
		f.Raise = raise
	}
	if n < int64(e.options.MaxConns) || n == 0 {
		f.Level = Limits
	}
	if n < e.report.Connections {
		e.report.Connections, e.report.LimitedBy = n, name
	}
	e.report.Findings = append(e.report.Findings, f)
}

// note adds a finding about something that does not limit connections. It is a remark unless it is good.
func (e *examiner) note(name string, good bool, text string, raise ...string) {
	f := Finding{Name: name, Level: OK, Text: text}
	if !good {
		f.Level, f.Raise = Note, raise
	}
	e.report.Findings = append(e.report.Findings, f)
}
