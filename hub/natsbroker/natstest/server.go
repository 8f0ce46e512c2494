// Package natstest runs nats-server for tests: as a process of its own, which can be killed and
// started again with its data.
package natstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is for a server to start or to end.
const patience = 60 * time.Second

// Server is a nats-server with JetStream.
type Server struct {
	URL  string // of clients
	Name string

	t      testing.TB
	dir    string // of its data and its files
	config string
	route  string // address for the other servers of its cluster
	routes string // URLs of all of them
	cmd    *exec.Cmd
	ended  chan struct{}
}

// Start starts a server, which ends with the test. If nats-server cannot be built, the test is
// skipped, unless FANFARE_REQUIRE is set, as in CI: then it fails. more is added to its
// configuration.
func Start(t testing.TB, more string) *Server {
	t.Helper()
	s := &Server{t: t, Name: "n0", dir: t.TempDir(), config: more}
	s.Restart()
	return s
}

// StartCluster starts servers that form a cluster.
func StartCluster(t testing.TB, servers int) []*Server {
	t.Helper()
	file := mustBuild(t)
	for attempt := 1; ; attempt++ {
		all, err := startCluster(t, file, servers)
		if err == nil {
			return all
		}
		for _, s := range all {
			s.end()
		}
		if attempt == 5 || !errors.Is(err, errPort) {
			t.Fatalf("nats-server: %v", err)
		}
	}
}

// startCluster starts servers with new ports for their routes, which other processes may take first.
func startCluster(t testing.TB, file string, servers int) (all []*Server, err error) {
	routes := make([]string, servers)
	for i := range routes {
		s := &Server{t: t, Name: fmt.Sprint("n", i), dir: t.TempDir(), route: freePort(t)}
		all = append(all, s)
		routes[i] = "nats://" + s.route
	}
	for _, s := range all {
		s.routes = strings.Join(routes, ", ")
		err = errors.Join(err, s.start(file))
	}
	return all, err
}

// errPort says that another process has the server's port.
var errPort = errors.New("its port is taken")

// freePort returns a free address, since the servers of a cluster must know the others' before they
// start.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// mustBuild returns the path of nats-server.
func mustBuild(t testing.TB) string {
	t.Helper()
	file, err := program()
	switch {
	case err == nil:
	case os.Getenv("FANFARE_REQUIRE") != "":
		t.Fatalf("cannot build nats-server, and FANFARE_REQUIRE is set: %v", err)
	default:
		t.Skipf("cannot build nats-server; it needs the network once, run this test with it: %v", err)
	}
	return file
}

// Restart starts the server, at the same address as before, if any. A connection of another process
// may have taken the port meanwhile, for a moment.
func (s *Server) Restart() {
	s.t.Helper()
	file := mustBuild(s.t)
	limit := time.Now().Add(15 * time.Second)
	err := s.start(file)
	for ; errors.Is(err, errPort) && time.Now().Before(limit); err = s.start(file) {
		time.Sleep(200 * time.Millisecond) // the pace of attempts
	}
	if err != nil {
		s.t.Fatalf("nats-server: %v", err)
	}
}

func (s *Server) start(file string) error {
	conf := filepath.Join(s.dir, "conf")
	if err := os.WriteFile(conf, []byte(s.configuration()), 0o600); err != nil {
		return err
	}
	logs, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	before := len(s.Log())
	s.cmd = exec.Command(file, "-c", conf, "--ports_file_dir", s.dir)
	s.cmd.Stdout, s.cmd.Stderr = logs, logs
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a test kills it
	}()
	s.t.Cleanup(s.end)
	return s.awaitPorts(before)
}

// end ends the server, if it runs.
func (s *Server) end() {
	if s.cmd.Process != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.ended
	}
}

// address returns the host and the port of a URL, whose scheme is nats or tls.
func address(url string) string { return url[strings.Index(url, "://")+len("://"):] }

func (s *Server) configuration() string {
	listen := "127.0.0.1:-1"
	if s.URL != "" {
		listen = address(s.URL)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "server_name: %s\nlisten: %q\njetstream { store_dir: %q, max_file_store: 8GB, max_memory_store: 4GB }\n%s\n",
		s.Name, listen, filepath.Join(s.dir, "data"), s.config)
	if s.route != "" {
		fmt.Fprintf(&b, "cluster { name: c, listen: %q, routes: [%s] }\n", s.route, s.routes)
	}
	return b.String()
}

// awaitPorts waits until the server has written where it listens, and accepts connections there. before is
// the length of the log before it was started.
func (s *Server) awaitPorts(before int) error {
	file := filepath.Join(s.dir, fmt.Sprintf("%s_%d.ports", filepath.Base(s.cmd.Path), s.cmd.Process.Pid))
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var ports struct{ Nats []string }
		data, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(data, &ports) == nil && len(ports.Nats) > 0 {
			s.URL = ports.Nats[0]
			if c, err := net.Dial("tcp", address(s.URL)); err == nil {
				return c.Close()
			}
		}
		select {
		case <-tick.C:
		case <-s.ended:
			said := s.Log()[before:]
			if strings.Contains(said, "address already in use") {
				return fmt.Errorf("%w: %s", errPort, said)
			}
			return fmt.Errorf("it has ended: %s", said)
		case <-limit:
			return errors.New("it does not listen")
		}
	}
}

// Log returns what the server has said.
func (s *Server) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log")) // it may not have begun
	return string(b)
}

// Kill ends the server with SIGKILL. What it has written survives, unlike in a power failure.
func (s *Server) Kill() { s.signal(syscall.SIGKILL) }

// Stop ends the server in order.
func (s *Server) Stop() { s.signal(syscall.SIGTERM) }

// LameDuck has the server ask its clients to leave, and end after a while.
func (s *Server) LameDuck() {
	if err := s.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		s.t.Error(err)
	}
}

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatal("nats-server does not end")
	}
}
