package top

import "charm.land/lipgloss/v2"

// styles make text stand out. Their colors are those of the terminal's own palette. Package tea leaves colors out
// if the terminal has none, or if NO_COLOR is set.
type styles struct {
	strong, faint, good, warning, bad, graph, chosen func(string) string
}

func colored() styles {
	of := func(s lipgloss.Style) func(string) string { return func(text string) string { return s.Render(text) } }
	color := func(c string) func(string) string { return of(lipgloss.NewStyle().Foreground(lipgloss.Color(c))) }
	return styles{
		strong: of(lipgloss.NewStyle().Bold(true)), faint: of(lipgloss.NewStyle().Faint(true)),
		good: color("2"), warning: color("3"), bad: of(lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)),
		graph: color("6"), chosen: of(lipgloss.NewStyle().Reverse(true)),
	}
}

// plain is for output that is no terminal.
func plain() styles {
	same := func(s string) string { return s }
	return styles{same, same, same, same, same, same, same}
}
