package doctest

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// check compares a block that cannot be run with the code.
type check struct {
	file  string
	first string // the beginning of the block
	check func(t *testing.T, b block)
}

// checks has the blocks that are tables. A block that cannot be run must have a check here.
var checks = []check{
	{"README.md", "cmd/fanfare", folders},
	{"netpoll/doc.go", "Loops ", tested("netpoll", "TestLimitsAreDocumented")},
	{"netpoll/doc.go", "write ", verbs},
	{"netpoll/doc.go", "Conn.mu ", locks},
	{"netpoll/doc.go", "connection ", tested("netpoll", "TestLedger")},
	{"hub/doc.go", "a subscription", tested("hub", "TestLedgerSubscription")},
	{"hub/doc.go", "a topic ", tested("hub", "TestLedgerTopic")},
	{"hub/doc.go", "a member ", tested("hub", "TestLedgerMember")},
	{"hub/session/doc.go", "waiting requests", fields},
	{"cmd/fanfare/docs/configuration.md", "/etc/fanfare.toml", mistakes},
	{"cmd/fanfare/docs/configuration.md", "level=INFO", logged},
	{"cmd/fanfare/docs/metrics.md", "scrape_configs:", prometheusConfig},
	{"cmd/fanfare/docs/metrics.md", "rule_files:", prometheusConfig},
	{"cmd/fanfare/docs/logs.md", `{"time":`, tested("cmd/fanfare", "TestLogFormatJSON")},
	{"cmd/fanfare/docs/deployment.md", "map ", tested("cmd/fanfare", "TestProxies")},
	{"cmd/fanfare/docs/deployment.md", "defaults", tested("cmd/fanfare", "TestProxies")},
	{"cmd/fanfare/docs/deployment.md", "# TCP", tested("cmd/fanfare", "TestProxies")},
	{"cmd/fanfare/docs/deployment.md", "live.example.org {", tested("cmd/fanfare", "TestProxies")},
	{"cmd/fanfare/docs/deployment.md", "# fanfare.socket.d", tested("cmd/fanfare/deploy", "TestDocumentedDropIn")},
	{"cmd/fanfare/docs/deployment.md", "# values.yaml", tested("cmd/fanfare/deploy", "TestDocumentedValues")},
	{"cmd/fanfare/docs/deployment.md", "helm install nats", tested("cmd/fanfare/deploy", "TestChartCluster")},
	{"cmd/fanfare/doctor/doc.go", "320 B ", tested("cmd/fanfare/doctor", "TestBytesAreMeasured")},
	{"cmd/fanfare/docs/dashboard.md", "fanfare top ", tested("cmd/fanfare/top", "TestAddresses")},
	{"cmd/fanfare/docs/access.md", `{"sub":`, claims},
	{"cmd/fanfare/docs/coming-from-centrifugo.md", `{"sub":`, grants},
	{"cmd/fanfare/docs/access.md", `{"hook":`, hookRequests},
	{"cmd/fanfare/docs/access.md", `{"ok":`, hookAnswers},
	{"cmd/fanfare/docs/cluster.md", "authorization {", tested("cmd/fanfare", "TestClusterPermissions")},
	{"cmd/fanfare/docs/faults.md", "FANFARE_FULL=1 ", tested("cmd/fanfare", "TestSimultaneousResets")},
	{"cmd/fanfare/docs/faults.md", "FANFARE_SOAK=10m ", tested("cmd/fanfare", "TestSoak")},
	{"cmd/fanfare/backend/doc.go", `{"hook":`, hookRequests},
	{"cmd/fanfare/backend/doc.go", `{"ok":`, hookAnswers},
	{"cmd/fanfare/backend/doc.go", "Fanfare-Signature: ", tested("cmd/fanfare/backend", "TestVerify")},
	{"cmd/fanfare/docs/webhooks.md", `{"run":`, webhooks},
	{"cmd/fanfare/webhook/doc.go", `{"run":`, webhooks},
	{"cmd/fanfare/policy/doc.go", "without keys", tested("cmd/fanfare/policy", "TestDefaults")},
	{"cmd/fanfare/policy/doc.go", "401 ", statuses},
	{"cmd/fanfare/policy/doc.go", "keys ", bounds},
	{"cmd/fanfare/policy/token/doc.go", "{", claims},
	{"cmd/fanfare/policy/token/doc.go", "sub ", claimNames},
	{"cmd/fanfare/policy/token/doc.go", "length ", bounds},
	{"wsproto/doc.go", "MaxHeader ", serverFields},
	{"README.md", "connected, and idle", measured},
	{"wsproto/doc.go", "ws:// ", measured},
	{"cmd/fanfare-load/doc.go", "fanfare-load ", subcommands},
	{"cmd/fanfare-load/broadcast_wire.go", " 0  8 ", offsets},
}

// checkOf returns the check of b, nil if there is none.
func checkOf(b block) func(*testing.T, block) {
	for _, c := range checks {
		if c.file == b.file && strings.HasPrefix(b.text, c.first) {
			return c.check
		}
	}
	return nil
}

// TestTables runs the checks of all tables.
func TestTables(t *testing.T) {
	for _, b := range collect(t, everything) {
		if check := checkOf(b); check != nil && !isRun(b.lang) {
			t.Run(b.name(), func(t *testing.T) { check(t, b) })
		}
	}
}

// terms returns the first word of each line that does not continue the previous one.
func terms(b block) (words []string) {
	for _, l := range b.lines() {
		if l[0] != ' ' {
			words = append(words, strings.Fields(l)[0])
		}
	}
	return words
}

// fields checks that each field of Options in a table exists in its package, or in the package that the table names.
func fields(t *testing.T, b block) {
	named := regexp.MustCompile(`(?:(\w+)\.)?Options\.(\w+)`).FindAllStringSubmatch(b.text, -1)
	for _, m := range named {
		code := strings.Join(sources(t, filepath.Join(cmp.Or(m[1], filepath.Dir(b.file)), "*.go")), "\n")
		if !regexp.MustCompile(`(?m)^\t(\w+, )*` + m[2] + `(, \w+)*\s`).MatchString(code) {
			t.Errorf("%s does not exist", m[0])
		}
	}
	if len(named) == 0 {
		t.Error("the table names no field")
	}
}

// serverFields checks that each line describes a field of wsproto.Server, or of its engine.
func serverFields(t *testing.T, b block) {
	for _, name := range terms(b) {
		pkg := "wsproto"
		if engine, ok := strings.CutPrefix(name, "Engine."); ok {
			pkg, name = "netpoll", engine
		}
		code := strings.Join(sources(t, pkg+"/*.go"), "\n")
		if !regexp.MustCompile(`(?m)^\t` + name + ` `).MatchString(code) {
			t.Errorf("package %s has no field %s", pkg, name)
		}
	}
}

// tested checks that a package has a test of that name, which compares the table with the code.
func tested(pkg, name string) func(*testing.T, block) {
	return func(t *testing.T, _ block) {
		if !strings.Contains(strings.Join(sources(t, pkg+"/*_test.go"), "\n"), "func "+name+"(t *testing.T)") {
			t.Errorf("package %s has no %s", pkg, name)
		}
	}
}

// verbs checks that each verb in a table begins the name of a function in its package.
func verbs(t *testing.T, b block) {
	code := strings.Join(sources(t, filepath.Dir(b.file)+"/*.go"), "\n")
	for _, verb := range terms(b) {
		if !regexp.MustCompile(`(?mi)^func (\([^)]*\) )?` + verb + `\w*\(`).MatchString(code) {
			t.Errorf("%s: no function is named %s", b.file, verb)
		}
	}
}

// locks checks that each Type.field in a table of locks exists in its package, or package.Type.field in an
// internal package.
func locks(t *testing.T, b block) {
	for _, lock := range terms(b) {
		dir, parts := filepath.Dir(b.file), strings.Split(lock, ".")
		if len(parts) == 3 {
			dir, parts = filepath.Join(dir, "internal", parts[0]), parts[1:]
		}
		code := strings.Join(sources(t, dir+"/*.go"), "\n")
		body := code
		at := regexp.MustCompile(`(?m)^type ` + parts[0] + `(\[.*\])? struct \{\n`).FindStringIndex(code)
		if at != nil {
			body, _, _ = strings.Cut(code[at[1]:], "\n}\n")
		}
		if at == nil || !regexp.MustCompile(`(?m)^\t`+parts[1]+`\b`).MatchString(body) {
			t.Errorf("%s: %s does not exist", b.file, lock)
		}
	}
}

// measured checks that bench writes the figures; a test of bench compares them.
func measured(t *testing.T, b block) {
	if !strings.Contains(read(t, "bench/report_documents.go"), `{"`+b.file+`"`) {
		t.Errorf("bench writes no figures into %s", b.file)
	}
}

// folders checks that the files and folders of a layout exist.
func folders(t *testing.T, b block) {
	for _, name := range terms(b) {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

// subcommands checks that a program has the subcommands in a table.
func subcommands(t *testing.T, b block) {
	s := newShell(t)
	for _, line := range b.lines() {
		words := strings.Fields(line)
		if out, err := s.command("go run ./cmd/" + words[0] + " " + words[1] + " -help"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// offsets checks that the fields of a layout follow one another.
func offsets(t *testing.T, b block) {
	at := 0
	for _, line := range b.lines() {
		var from, size int
		if _, err := fmt.Sscan(line, &from, &size); err != nil || from != at {
			t.Errorf("%q: begins at %d, not at %d: %v", line, from, at, err)
		}
		at = from + size
	}
}

// prometheusConfig checks a part of a configuration of Prometheus.
func prometheusConfig(t *testing.T, b block) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		script.Need(t, "promtool", "it is in the package prometheus of Debian")
	}
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "check", "config", "--syntax-only", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", b, err, out)
	}
}
