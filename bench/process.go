package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// command is exec.CommandContext for a process that cannot outlive this one: its process group is killed when ctx is done, and
// the kernel kills it if this process dies. (The kernel does so when the thread ends that started it. Go ends a thread only
// with a goroutine that is locked to it, and there is none.)
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	return c
}

// child is a running server.
type child struct {
	cmd  *exec.Cmd
	end  context.CancelFunc
	addr string
	vars string // address of its expvar page; "" if it has none
	// publish is the address for publishers; "" if it is addr.
	publish string
	wait    func() // for the end of the process
}

// startAny starts a server of the comparison.
func (p *programs) startAny(ctx context.Context, s *servers.Server, mode string) (*child, error) {
	if s.Program == "" {
		return p.startServer(ctx, s.Name, mode)
	}
	program, err := p.install(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.startCentrifugo(ctx, program)
}

// startServer starts a server that is a function of package servers.
func (p *programs) startServer(ctx context.Context, name, mode string) (*child, error) {
	s, line, err := start(ctx, nil, p.serve, name, mode, "127.0.0.1:0")
	if err == nil {
		s.addr, s.vars, _ = strings.Cut(line, " ")
	}
	return s, err
}

// startFanfare starts cmd/fanfare on that many processors, or on all if the number is zero.
func (p *programs) startFanfare(ctx context.Context, processors int) (*child, error) {
	var env []string
	if processors > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(processors))
	}
	s, line, err := start(ctx, env, p.fanfare, "-addr", "127.0.0.1:0")
	if err == nil {
		_, at, _ := strings.Cut(line, " listening on ")
		s.addr, _, _ = strings.Cut(at, " ")
	}
	return s, err
}

// start starts a server, with more variables in its environment, and returns its first line, which has its address, when it
// listens. The server ends with ctx.
func start(ctx context.Context, env []string, program string, args ...string) (s *child, line string, err error) {
	s, lines, err := startLines(ctx, 1, env, program, args...)
	if err != nil {
		return nil, "", err
	}
	return s, lines[0], nil
}

// startLines is start for a server that says in several lines where it listens.
func startLines(ctx context.Context, n int, env []string, program string, args ...string) (s *child, lines []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	name := filepath.Base(program) + " " + args[0]
	s = &child{cmd: command(ctx, program, args...), end: cancel}
	s.wait = func() { _ = s.cmd.Wait() } // it was killed
	s.cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	s.cmd.Stderr = &said
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	for from := bufio.NewReader(out); len(lines) < n; {
		line, err := from.ReadString('\n')
		if err != nil { // the server has closed its output or was killed
			s.stop()
			return nil, nil, fmt.Errorf("%s does not listen: %s", name, strings.TrimSpace(said.String()))
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return s, lines, nil
}

// stop kills the process and waits for its end.
func (s *child) stop() {
	s.end()
	s.wait()
}
