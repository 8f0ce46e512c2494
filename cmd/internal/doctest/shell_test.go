package doctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// timeout is the time for a command to end and for a server to listen, including compilation.
const timeout = 5 * time.Minute

// shell runs the commands of one document: those of go in the project's root, others in a directory of their own, where go
// installs programs. A server runs in the background until the next server starts or the document ends.
type shell struct {
	t      *testing.T
	dir    string // for what commands write
	server *exec.Cmd
	says   *netpolltest.Output
	ended  <-chan struct{}
}

func newShell(t *testing.T) *shell {
	s := &shell{t: t, dir: t.TempDir()}
	t.Cleanup(s.stop)
	return s
}

// environ makes programs keep their data in s.dir.
func (s *shell) environ() []string {
	return append(os.Environ(), "XDG_CONFIG_HOME="+s.dir, "GOBIN="+s.dir, "OUT="+s.dir, "PATH="+s.dir+":"+os.Getenv("PATH"))
}

// serves matches the commands of servers.
var serves = regexp.MustCompile(`^(go run (\./cmd/fanfare(-chat)?( -.*)?|/\S+/chat\.go)|fanfare( -.*)?)$`)

// shorten replaces commands that would take minutes or that need something that a test does not have.
var shorten = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`-n (18000|15000|10000|5000)\b`), "-n 500"},
	{regexp.MustCompile(`-o fanfare.mjs`), `-o "$OUT"/fanfare.mjs`},
	{regexp.MustCompile(`-duration 10s`), "-duration 1s"},
	{regexp.MustCompile(`-rest 20s`), "-rest 1s"},
	{regexp.MustCompile(`^(go build -tags cluster) (\./cmd/fanfare)$`), `$1 -o "$$OUT"/fanfare-cluster $2`},
	{regexp.MustCompile(`^go test \./\.\.\.$`), "grep -qx 'go test ./...' .ci/run"}, // which runs it
	{regexp.MustCompile(`^go test -C bench \./\.\.\.$`), "grep -q '^go test -C bench .*\\./\\.\\.\\.$' .ci/run"},
	{regexp.MustCompile(`^(go test \./cmd/fanfare/config -run TestOptionsPage) -update$`), "$1"}, // a test should not write the page
	{regexp.MustCompile(`^go run -C bench \. check .*$`), "grep -q '^go run -C bench . check' .ci/run"},
	{regexp.MustCompile(`^go run -C bench \. (figures|report)\b.*$`), "go run -C bench . $1 -h"},
	{regexp.MustCompile(`^go run -C bench \. all( .*)?$`), "go run -C bench . echo"},
	{regexp.MustCompile(`^go run -C bench \. (memory|echo|broadcast|churn)( .*)?$`), "go run -C bench . $1 -quick -servers fanfare"},
	{regexp.MustCompile(`^go run -C bench \. simulate$`), "go run -C bench . simulate -quick"},
	{regexp.MustCompile(`^go run -C bench \. floor.*$`), "go run -C bench . floor -quick -n 100 -idle 100 -duration 300ms -rest 300ms"},
	{regexp.MustCompile(`^go run -C bench \. cluster.*$`), "grep -q '^go run -C bench . cluster' .ci/run"},
	{regexp.MustCompile(`^go run -C bench \. compression.*$`), "go run -C bench . compression -rounds 1 -duration 20ms"},
	{regexp.MustCompile(`^go test -run \w+ -bench (\w+)( -benchtime \w+)? (\S+)$`), "go test -list $1 $3 | grep $1"},
	{regexp.MustCompile(`^go run \./cmd/fanfare-conformance( -url \S+)?$`), "go run ./cmd/fanfare-conformance -run 1.$1"},
}

// place returns the directory in which a command runs.
func (s *shell) place(line string) string {
	if strings.HasPrefix(line, "go ") || strings.HasPrefix(line, "grep ") { // which shorten puts in the place of go
		return root
	}
	return s.dir
}

// fileName is the first line of a block that is a file.
var fileName = regexp.MustCompile(`^# ([\w-]+\.toml)\n`)

// save writes a block that says its name into a file.
func (s *shell) save(b block) {
	s.t.Helper()
	m := fileName.FindStringSubmatch(b.text)
	if m == nil {
		return
	}
	if err := os.WriteFile(filepath.Join(s.dir, m[1]), []byte(b.text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// ownFile are files that commands of go write and read, in s.dir instead of the project.
var ownFile = regexp.MustCompile(`\b(token\.txt|(?:fanfare|acme)\.toml)\b`)

// run runs the commands of b. If b has prompts, its lines without a prompt are output, which run compares with what the
// commands print.
func (s *shell) run(b block) {
	s.t.Helper()
	prompts := slices.ContainsFunc(b.lines(), func(l string) bool { return strings.HasPrefix(l, "$ ") })
	var printed []string // by the previous command, and not compared yet
	for _, line := range b.lines() {
		given, isCommand := strings.CutPrefix(line, "$ ")
		if prompts && !isCommand {
			if len(printed) == 0 {
				s.t.Fatalf("%v promises %q, and no more is printed", b, line)
			}
			if !matches(line, printed[0]) {
				s.t.Fatalf("%v promises %q, and this is printed: %q", b, line, printed[0])
			}
			printed = printed[1:]
			continue
		}
		out, err := s.command(given)
		if err != nil {
			s.t.Fatalf("%v: %s\n%v\n%s", b, given, err, out)
		}
		printed = strings.Split(strings.TrimRight(out, "\n"), "\n")
	}
}

// matches reports whether a page shows what was printed. In the page … stands for any text, and 4x7k for any epoch.
func matches(shown, printed string) bool {
	pattern := regexp.QuoteMeta(strings.TrimRight(shown, " "))
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	pattern = strings.ReplaceAll(pattern, "4x7k:", `[0-9a-z]+:`)
	return regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimRight(printed, " "))
}

var remark = regexp.MustCompile(`\s{2,}#.*$`)

// compared has the commands of bench that have run: several pages have the same command.
var compared = make(map[string]bool)

// again reports whether to skip a command of bench: it ran already, or nothing requires it here. It needs many modules and
// takes half a minute.
func again(line string) bool {
	if !strings.HasPrefix(line, "go run -C bench") {
		return false
	}
	was := compared[line]
	compared[line] = true
	return was || !script.Required()
}

// command runs one line. A server runs in the background.
func (s *shell) command(line string) (out string, err error) {
	s.t.Helper()
	if line = remark.ReplaceAllString(line, ""); s.place(line) == root {
		line = ownFile.ReplaceAllString(line, `"$$OUT"/$1`)
	}
	if serves.MatchString(line) && !strings.Contains(line, "-help") && !strings.Contains(line, "-version") {
		return "", s.serve(line)
	}
	for _, r := range shorten {
		line = r.pattern.ReplaceAllString(line, r.with)
	}
	if again(line) {
		return "", nil
	}
	if strings.Contains(line, " PID ") {
		line = strings.ReplaceAll(line, " PID ", " "+s.pid()+" ")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = s.place(line), s.environ()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), fmt.Errorf("%s: %w", line, err)
	}
	return stdout.String(), nil
}

// serve starts a server and returns when it listens.
func (s *shell) serve(line string) error {
	s.t.Helper()
	s.stop()
	s.server, s.says = exec.Command("bash", "-c", "exec "+line), new(netpolltest.Output)
	s.server.Dir, s.server.Env, s.server.Stdout, s.server.Stderr = s.place(line), s.environ(), s.says, s.says
	s.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.server.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		_ = s.server.Wait()
	}()
	if !netpolltest.Settles(timeout, func() bool { return s.listens() || s.over() }) || !s.listens() {
		return errors.New("it does not listen: " + s.says.String())
	}
	return nil
}

func (s *shell) listens() bool { return strings.Contains(s.says.String(), "listening on") }

func (s *shell) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

var process = regexp.MustCompile(`-pid (\d+)`)

// pid returns the process ID that the server prints.
func (s *shell) pid() string {
	m := process.FindStringSubmatch(s.says.String())
	if m == nil {
		s.t.Fatalf("the server does not tell its process: %s", s.says.String())
	}
	return m[1]
}

// stop ends the server and the process that go run started.
func (s *shell) stop() {
	if s.server == nil {
		return
	}
	_ = syscall.Kill(-s.server.Process.Pid, syscall.SIGTERM)
	<-s.ended
	s.server = nil
}
