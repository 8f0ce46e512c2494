package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// command is exec.CommandContext for a process that cannot outlive this one: it has a
// process group, which is killed when ctx is over, and the kernel kills it if this
// process dies without a word. (It does so when the thread ends that started it; Go ends
// none, but with a goroutine that is locked to it, and there is no such.)
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
	vars string // of the page about it; "" if it has none
}

// startServer starts the server of that name, one of package servers.
func (p *programs) startServer(ctx context.Context, name, mode string) (*child, error) {
	s, line, err := start(ctx, p.serve, name, mode, "127.0.0.1:0")
	if err == nil {
		s.addr, s.vars, _ = strings.Cut(line, " ")
	}
	return s, err
}

// startFanfare starts the server program, cmd/fanfare.
func (p *programs) startFanfare(ctx context.Context) (*child, error) {
	s, line, err := start(ctx, p.fanfare, "-addr", "127.0.0.1:0")
	if err == nil {
		s.addr = line[strings.LastIndex(line, " ")+1:]
	}
	return s, err
}

// start returns when a server listens, with its first line, which says where. ctx
// bounds its life.
func start(ctx context.Context, program string, args ...string) (s *child, line string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	name := filepath.Base(program) + " " + args[0]
	s = &child{cmd: command(ctx, program, args...), end: cancel}
	var said bytes.Buffer
	s.cmd.Stderr = &said
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, "", fmt.Errorf("start %s: %w", name, err)
	}
	if line, err = bufio.NewReader(out).ReadString('\n'); err != nil { // it has closed its output, or was ended
		s.stop()
		return nil, "", fmt.Errorf("%s does not listen: %s", name, strings.TrimSpace(said.String()))
	}
	return s, strings.TrimSpace(line), nil
}

// stop returns when the process is gone.
func (s *child) stop() {
	s.end()
	_ = s.cmd.Wait() // it was killed
}
