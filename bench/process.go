package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

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
	vars string // of the page about it
}

// startServer starts program with the server of that name and returns when it
// listens. ctx bounds its life.
func startServer(ctx context.Context, program, name, mode string) (*child, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &child{cmd: command(ctx, program, name, mode, "127.0.0.1:0"), end: cancel}
	var said bytes.Buffer
	s.cmd.Stderr = &said
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil { // it has closed its output, or was ended
		s.stop()
		return nil, fmt.Errorf("%s does not listen: %s", name, strings.TrimSpace(said.String()))
	}
	s.addr, s.vars, _ = strings.Cut(strings.TrimSpace(line), " ")
	return s, nil
}

// stop returns when the process is gone.
func (s *child) stop() {
	s.end()
	_ = s.cmd.Wait() // it was killed
}
