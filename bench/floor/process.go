package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// programs are the files of the programs that take part; floor is this one.
type programs struct{ floor, fanfare, load string }

// build compiles them into a directory.
func build(ctx context.Context, dir string) (*programs, error) {
	c := command(ctx, "go", "build", "-o", dir+"/", "github.com/fanfare-ws/fanfare/cmd/fanfare", "github.com/fanfare-ws/fanfare/cmd/fanfare-load")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build Fanfare (in the directory bench, as go run -C bench does): %w\n%s", err, out)
	}
	self, err := os.Executable()
	return &programs{self, filepath.Join(dir, "fanfare"), filepath.Join(dir, "fanfare-load")}, err
}

// command is exec.CommandContext for a process that cannot outlive this one: it has a
// process group, which is killed when ctx is over, and the kernel kills it if this
// process dies without a word.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	return c
}

// child is a server that runs.
type child struct {
	cmd  *exec.Cmd
	end  context.CancelFunc
	addr string
	said chan []string // the lines after the first, when it has ended
}

// start returns when the server listens: the last word of its first line is where. ctx
// bounds its life.
func start(ctx context.Context, program string, args ...string) (*child, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &child{cmd: command(ctx, program, args...), end: cancel, said: make(chan []string, 1)}
	var failure bytes.Buffer
	s.cmd.Stderr = &failure
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(program), err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	words := strings.Fields(lines.Text())
	go func() {
		var all []string
		for lines.Scan() {
			all = append(all, lines.Text())
		}
		s.said <- all
	}()
	if len(words) == 0 { // it has closed its output, or was ended
		s.stop()
		return nil, fmt.Errorf("%s does not listen: %s", filepath.Base(program), strings.TrimSpace(failure.String()))
	}
	s.addr = words[len(words)-1]
	return s, nil
}

// stop returns when the process is gone, with the lines that it wrote.
func (s *child) stop() []string {
	s.end()
	lines := <-s.said // before Wait, which closes the pipe
	_ = s.cmd.Wait()  // it was killed
	return lines
}

// broadcast has fanfare-load broadcast to a server for a time, with a bound on all of
// it, and returns its report.
func (p *programs) broadcast(ctx context.Context, s *child, args ...string) (loaded, error) {
	args = append([]string{"broadcast", "-json", "-q", "-pid", strconv.Itoa(s.cmd.Process.Pid)}, args...)
	c := command(ctx, p.load, append(args, "ws://"+s.addr+"/topics/floor")...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return loaded{}, cause
		}
		// With status 1 it tells in its report what was wrong.
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || out.Len() == 0 {
			return loaded{}, fmt.Errorf("fanfare-load: %w: %s", err, strings.TrimSpace(said.String()))
		}
	}
	return parseLoaded(out.Bytes())
}
