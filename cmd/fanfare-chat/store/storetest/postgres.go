package storetest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// Server is a PostgreSQL server for a test. It listens only on a socket in a directory of its own, and runs
// without fsync.
type Server struct {
	bin, dir  string
	as        *syscall.SysProcAttr
	databases atomic.Int64
}

// Postgres starts a server that is stopped at the end of the test, or skips the test if there is none.
func Postgres(t testing.TB) *Server {
	t.Helper()
	bin := findPostgres()
	if bin == "" {
		script.Need(t, "PostgreSQL", "apt-get install postgresql")
	}
	dir, err := os.MkdirTemp("", "pg") // not t.TempDir: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := &Server{bin: bin, dir: dir}
	s.become(t)
	s.run(t, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	s.start(t)
	return s
}

// findPostgres returns the directory of the newest server's programs, which Debian does not put into PATH.
func findPostgres() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		path, err := exec.LookPath("initdb")
		if err != nil {
			return ""
		}
		return filepath.Dir(path)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) }))
}

// become makes the server run as another user if the test runs as root, which PostgreSQL refuses.
func (s *Server) become(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		script.Need(t, "the user postgres", "apt-get install postgresql")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(s.dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	s.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, s.as
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

func (s *Server) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// start returns when the server has printed that it is ready.
func (s *Server) start(t testing.TB) {
	t.Helper()
	cmd := s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "dynamic_shared_memory_type=mmap", "-c", "logging_collector=off")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan string, 1)
	go follow(log, ready, ended)
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) // a fast shutdown: it ends its connections
		said := <-ended
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("PostgreSQL ended: %v; its output:\n%s", err, said)
		}
	})
	select {
	case <-ready:
	case said := <-ended:
		ended <- said
		t.Fatal("PostgreSQL has not started")
	case <-time.After(patience):
		t.Fatalf("PostgreSQL is not ready within %v", patience)
	}
}

// follow reads the output of the server, and returns the last part of it when the server has ended.
func follow(log io.Reader, ready chan<- struct{}, ended chan<- string) {
	var last []string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if ready != nil && strings.Contains(lines.Text(), "ready to accept connections") {
			close(ready)
			ready = nil
		}
		last = append(last, lines.Text())
		last = last[max(0, len(last)-200):]
	}
	ended <- strings.Join(last, "\n")
}

// Database creates an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test", s.databases.Add(1))
	s.run(t, "createdb", "-h", s.dir, "-U", "postgres", name)
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, s.dir)
}
