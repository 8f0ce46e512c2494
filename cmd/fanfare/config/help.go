package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// WriteHelp writes what the command line can have: head, which describes the program, and then commands and flags.
func WriteHelp(w io.Writer, head string) {
	k := newParser(new(commandLine), new(recorder))
	fmt.Fprintf(w, "%s\nCommands:\n  fanfare %-14s start the server\n", head, "[flags]")
	for _, c := range k.Model.Children {
		fmt.Fprintf(w, "  fanfare %-14s %s\n", c.Name, c.Help)
	}
	fmt.Fprintf(w, "\nA flag can be given as -flag value, -flag=value or --flag value, as the variable %s_FLAG, or in a file (-config).\n", envPrefix)
	group := ""
	for _, f := range grouped(k.Model.Flags) {
		if g := f.Group.Title; g != group {
			group = g
			fmt.Fprintf(w, "\n%s:\n", group)
		}
		writeFlag(w, f)
	}
}

// grouped returns the flags in the order of the first flag of each group.
func grouped(flags []*kong.Flag) (all []*kong.Flag) {
	var titles []string
	byTitle := make(map[string][]*kong.Flag)
	for _, f := range flags {
		title := f.Group.Title
		if byTitle[title] == nil {
			titles = append(titles, title)
		}
		byTitle[title] = append(byTitle[title], f)
	}
	for _, title := range titles {
		all = append(all, byTitle[title]...)
	}
	return all
}

func writeFlag(w io.Writer, f *kong.Flag) {
	name := "-" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if f.Tag.PlaceHolder != "" {
		name += " " + f.Tag.PlaceHolder
	}
	fmt.Fprintf(w, "  %s\n", name)
	help := f.Help
	if f.Default != "" && f.Default != "0" && f.Default != "0s" {
		help += " (default " + f.Default + ")"
	}
	if derived := f.Tag.Get("derived"); derived != "" {
		help += " (default " + derived + ")"
	}
	for _, line := range wrap(help, 104) {
		fmt.Fprintf(w, "        %s\n", strings.TrimRight(line, " "))
	}
}
