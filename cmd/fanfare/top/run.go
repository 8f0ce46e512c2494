package top

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

// Run is the command with its arguments, behind "top", and its environment. It returns the exit status.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	o, err := parse(args, environ, stderr)
	var printed errUsage
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &printed):
		return 2
	case err != nil:
		fmt.Fprintln(stderr, "fanfare top:", err)
		return 2
	}
	defer o.server.close()
	switch {
	case o.json:
		err = o.printJSON(ctx, stdout)
	case o.once:
		err = o.printOnce(ctx, stdout)
	case !isTerminal(stdout):
		err = errors.New("the output is not a terminal; use -once for text, or -json")
	default:
		err = o.watch(ctx, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fanfare top:", err)
		return 1
	}
	return 0
}

func isTerminal(w io.Writer) bool {
	f, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// watch shows the state until the user quits. Without a first answer it ends at once, with the reason.
func (o *options) watch(ctx context.Context, stdout io.Writer, more ...tea.ProgramOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // also a request that is under way
	m := newModel(ctx, o.server, o.every)
	first := o.server.ask(ctx, m.question(), 0)
	if first.err != nil {
		return first.err
	}
	m.take(&first)
	_, err := tea.NewProgram(m, append([]tea.ProgramOption{tea.WithContext(ctx), tea.WithOutput(stdout)}, more...)...).Run()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// printJSON prints GET /api/status as it is.
func (o *options) printJSON(ctx context.Context, w io.Writer) error {
	b, err := o.server.read(ctx, statusPath)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// onceSize is the window of -once.
const (
	onceWidth  = 100
	onceHeight = 36
)

// printOnce prints what the overview shows.
func (o *options) printOnce(ctx context.Context, w io.Writer) error {
	m := newModel(ctx, o.server, o.every)
	m.styles = plain()
	m.single, m.width, m.height = true, onceWidth, onceHeight
	a := o.server.ask(ctx, m.question(), 0)
	if a.err != nil {
		return a.err
	}
	m.take(&a)
	m.row = -1
	lines := m.lines()
	for i, l := range trimmed(lines[:len(lines)-1]) { // without the keys
		if i == len(m.alerts())+1 {
			continue // the tabs
		}
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
}
