package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// large has the files of a machine that holds a million connections.
var large = map[string]string{
	"proc/sys/fs/nr_open":                                               "2097152",
	"proc/sys/fs/file-max":                                              "9223372036854775807",
	"proc/sys/fs/file-nr":                                               "3000\t0\t9223372036854775807",
	"proc/sys/fs/aio-max-nr":                                            "65536",
	"proc/sys/fs/aio-nr":                                                "32",
	"proc/sys/fs/epoll/max_user_watches":                                "5000000",
	"proc/sys/net/core/somaxconn":                                       "4096",
	"proc/sys/net/ipv4/tcp_max_syn_backlog":                             "4096",
	"proc/sys/net/ipv4/tcp_mem":                                         "500000 1000000 2000000",
	"proc/sys/net/ipv4/tcp_rmem":                                        "4096 131072 6291456",
	"proc/sys/net/ipv4/tcp_wmem":                                        "4096 16384 4194304",
	"proc/sys/net/ipv4/ip_local_port_range":                             "32768 60999",
	"proc/sys/net/netfilter/nf_conntrack_max":                           "4000000",
	"proc/sys/net/netfilter/nf_conntrack_count":                         "100",
	"proc/sys/kernel/osrelease":                                         "6.1.0-13-amd64",
	"proc/meminfo":                                                      "MemTotal:       16777216 kB\nMemFree:         1 kB\nMemAvailable:   15728640 kB\n",
	"proc/self/cgroup":                                                  "0::/system.slice/fanfare.service\n",
	"sys/kernel/mm/transparent_hugepage/enabled":                        "always [madvise] never",
	"sys/devices/system/clocksource/clocksource0/current_clocksource":   "tsc",
	"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
	"sys/fs/cgroup/system.slice/fanfare.service/memory.max":             "max",
	"sys/fs/cgroup/system.slice/fanfare.service/pids.max":               "1024",
	"sys/fs/cgroup/system.slice/fanfare.service/cpu.max":                "400000 100000",
}

// machine returns a large machine with other files: name=text, where name is the end of a name above, or a new name. An empty
// text removes the file.
func machine(t *testing.T, changes ...string) Machine {
	t.Helper()
	files := maps.Clone(large)
	for _, c := range changes {
		name, text, _ := strings.Cut(c, "=")
		for known := range large {
			if strings.HasSuffix(known, "/"+name) {
				name = known
			}
		}
		if files[name] = text; text == "" {
			delete(files, name)
		}
	}
	root := make(fstest.MapFS)
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return Machine{
		Root: root, Files: func() (uint64, uint64, error) { return 1024, 1 << 20, nil },
		IOSubmit: func() error { return nil }, MemoryLimit: noLimit, Threads: 4, PageSize: 4096,
	}
}

// find returns the finding of that name.
func find(r *Report, name string) *Finding {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

// A large machine holds a million plain connections, and nothing is to be remarked.
func TestLargeMachine(t *testing.T) {
	r := Examine(machine(t), Options{MaxConns: 1_000_000})
	for _, f := range r.Findings {
		if want := map[bool]Level{true: Note, false: OK}[f.Name == "ports of a proxy"]; f.Level != want {
			t.Errorf("%+v", f)
		}
	}
	if !r.OK() || r.Connections != 1<<20-128 || r.LimitedBy != "open files" {
		t.Errorf("%d by %s", r.Connections, r.LimitedBy)
	}
}

// moves changes a property of the large machine, and says what becomes of its finding.
type moves struct {
	finding string
	change  string // files, with | between them
	level   Level
	holds   int64  // -1 for a finding that does not limit connections
	text    string // that it must contain
	raise   string
}

var allMoves = []moves{
	{"open files", "nr_open=65536", OK, 1<<20 - 128, "hard limit 1,048,576", ""},
	{"files of the system", "file-max=200000", Limits, 200000 - 3000 - 128, "fs.file-max is 200,000, of which 3,000 are open", "sysctl -w fs.file-max=1048576"},
	{"files of the system", "file-nr=", OK, noLimit - 128, "unlimited", ""},
	{"files of the system", "file-max=", "", 0, "", ""},
	{"epoll watches", "max_user_watches=90128", Limits, 90000, "fs.epoll.max_user_watches is 90,128", "sysctl -w fs.epoll.max_user_watches=1048576"},
	{"memory", "proc/meminfo=MemTotal: 8 kB\nMemAvailable: 7617 kB", Limits, 994, "7.4 MiB are available (/proc/meminfo), half of it for connections of 3,920 B: 320 in the server, 3,600 in the kernel", "a machine with 7.3 GiB"},
	{"memory", "proc/meminfo=MemAvailable: x kB", "", 0, "", ""},
	{"memory of cgroup", "memory.max=78400000", Limits, 10000, "(/sys/fs/cgroup/system.slice/fanfare.service/memory.max)", "MemoryMax=7840000000"},
	{"memory of cgroup", "sys/fs/cgroup/system.slice/memory.max=78400000", Limits, 10000, "/sys/fs/cgroup/system.slice/memory.max", "--memory=7840000000"},
	{"memory of cgroup", "proc/self/cgroup=9:memory:/docker/x|sys/fs/cgroup/memory/memory.limit_in_bytes=7840000000", OK, 1000000, "/sys/fs/cgroup/memory/memory.limit_in_bytes", ""},
	{"memory of cgroup", "proc/self/cgroup=nonsense|memory.max=1", "", 0, "", ""},
	{"conntrack", "nf_conntrack_max=65536", Limits, 65436, "nf_conntrack_max is 65,536, of which 100 are in use", "sysctl -w net.netfilter.nf_conntrack_max=1048576"},
	{"conntrack", "nf_conntrack_max=", OK, -1, "tracks no connections", ""},
	{"TCP buffers", "tcp_mem=100 200 300", Note, -1, "1.2 MiB (net.ipv4.tcp_mem), which is 1 B for each of 1,000,000", "net.ipv4.tcp_mem='500000 750000 1000000'"},
	{"tcp_rmem", "tcp_rmem=1024 2048 4096", Note, -1, "at least 1,024 B, at first up to 2,048 B, and at most 4,096 B", "net.ipv4.tcp_rmem='4096 2048 4096'"},
	{"tcp_wmem", "tcp_wmem=1024 2048 4096", Note, -1, "at least 1,024 B", "net.ipv4.tcp_wmem='4096 2048 4096'"},
	{"somaxconn", "somaxconn=128", Note, -1, "128 connections may wait until the server accepts them", "sysctl -w net.core.somaxconn=4096"},
	{"tcp_max_syn_backlog", "tcp_max_syn_backlog=512", Note, -1, "512 connections may be half open", "sysctl -w net.ipv4.tcp_max_syn_backlog=4096"},
	{"ports of a proxy", "ip_local_port_range=1 2000000", OK, -1, "at most 2,000,000 connections", ""},
	{"ports of a proxy", "ip_local_port_range=32768 60999", Note, -1, "at most 28,232 connections", "unix:/run/fanfare/fanfare.sock"},
	{"threads", "pids.max=64", Note, -1, "64 (/sys/fs/cgroup/system.slice/fanfare.service/pids.max)", "TasksMax=1024"},
	{"threads", "pids.max=max", "", 0, "", ""},
	{"processors", "cpu.max=50000 100000", Note, -1, "GOMAXPROCS is 4; the cgroup may use 0.5 processors, so that the kernel stops", "remove the variable GOMAXPROCS"},
	{"processors", "proc/self/cgroup=4:cpu,cpuacct:/|sys/fs/cgroup/cpu/cpu.cfs_quota_us=200000|sys/fs/cgroup/cpu/cpu.cfs_period_us=100000", Note, -1, "may use 2 processors", "GOMAXPROCS"},
	{"processors", "proc/self/cgroup=4:cpu,cpuacct:/|sys/fs/cgroup/cpu/cpu.cfs_quota_us=-1|sys/fs/cgroup/cpu/cpu.cfs_period_us=100000", OK, -1, "GOMAXPROCS is 4", ""},
	{"huge pages", "enabled=[always] madvise never", Note, -1, "transparent huge pages are: always; memory that is free", "echo madvise"},
	{"huge pages", "enabled=", "", 0, "", ""},
	{"clock", "current_clocksource=hpet", Note, -1, "the clock source is hpet, with which reading the time takes a system call; there are: tsc hpet acpi_pm", "echo tsc"},
	{"kernel", "osrelease=4.19.0-25-amd64", Note, -1, "Linux 4.19.0-25-amd64, which is old", "newer release"},
	{"kernel", "osrelease=5.4-rc1", OK, -1, "Linux 5.4-rc1", ""},
	{"io_submit", "", OK, -1, "up to 32 connections in one system call", ""},
}

func TestFindings(t *testing.T) {
	o := Options{MaxConns: 1_000_000}
	moved := make(map[string]bool)
	for _, c := range allMoves {
		r := Examine(machine(t, strings.Split(c.change, "|")...), o)
		f := find(r, c.finding)
		moved[c.finding] = true
		if f == nil || c.level == "" {
			if f != nil || c.level != "" {
				t.Errorf("%s: %+v", c.change, f)
			}
			continue
		}
		holds := int64(-1)
		if f.Connections != nil {
			holds = *f.Connections
		}
		if f.Level != c.level || holds != c.holds || !strings.Contains(f.Text, c.text) || !strings.Contains(strings.Join(f.Raise, "\n"), c.raise) || (len(f.Raise) > 0) != (c.raise != "") {
			t.Errorf("%s: %s %d %q %q, want %+v", c.change, f.Level, holds, f.Text, f.Raise, c)
		}
		if c.level == Limits && (r.OK() || r.Connections != c.holds || r.LimitedBy != c.finding) {
			t.Errorf("%s: the report says %d by %s", c.change, r.Connections, r.LimitedBy)
		}
	}
	m := machine(t, "memory.max=5000000000")
	m.MemoryLimit = 6_000_000_000
	for _, f := range Examine(m, o).Findings {
		if !moved[f.Name] && !strings.HasPrefix(f.Name, "GOMEMLIMIT") {
			t.Errorf("no test moves %s", f.Name)
		}
	}
}

// Limits that are not in files.
func TestProcessLimits(t *testing.T) {
	o := Options{MaxConns: 100_000}
	m := machine(t, "nr_open=1024")
	m.Files = func() (uint64, uint64, error) { return 1024, 4096, nil }
	if f := find(Examine(m, o), "open files"); f.Level != Limits || *f.Connections != 4096-128 || len(f.Raise) != 4 ||
		!strings.Contains(f.Raise[0], "fs.nr_open=131072") || !strings.Contains(f.Raise[1], "LimitNOFILE=131072 in the unit") {
		t.Errorf("%+v", f)
	}
	m.Files = func() (uint64, uint64, error) { return 10, 100, nil }
	if r := Examine(m, Options{}); r.OK() || r.Connections != 0 {
		t.Errorf("with 100 files it holds %d", r.Connections)
	}
	m.Files = func() (uint64, uint64, error) { return 0, 0, errors.New("not permitted") }
	if f := find(Examine(m, o), "open files"); f.Level != Note || !strings.Contains(f.Text, "not permitted") {
		t.Errorf("%+v", f)
	}

	m = machine(t, "memory.max=400000000")
	m.MemoryLimit = 500_000_000
	r := Examine(m, o)
	if f := find(r, "GOMEMLIMIT"); f.Level != OK || *f.Connections != 500_000_000/2/plainConn {
		t.Errorf("%+v", f)
	}
	if f := find(r, "GOMEMLIMIT, cgroup"); f == nil || f.Level != Note || !strings.Contains(f.Text, "476.8 MiB are more than the cgroup has (381.5 MiB)") {
		t.Errorf("%+v", f)
	}
	m.MemoryLimit = 320_000
	if f := find(Examine(m, o), "GOMEMLIMIT"); f.Level != Limits || *f.Connections != 500 || !strings.Contains(f.Raise[0], "GOMEMLIMIT=64000000") {
		t.Errorf("%+v", f)
	}

	m = machine(t)
	m.IOSubmit = func() error { return errors.New("io_setup: operation not permitted") }
	if f := find(Examine(m, o), "io_submit"); f.Level != Note || !strings.Contains(f.Text, "io_setup: operation not permitted") || !strings.Contains(f.Raise[0], "SystemCallFilter=@aio") {
		t.Errorf("%+v", f)
	}
	m = machine(t, "aio-nr=65536")
	m.IOSubmit = func() error { return errors.New("io_setup: resource temporarily unavailable") }
	if f := find(Examine(m, o), "io_submit"); !strings.Contains(f.Raise[0], "fs.aio-max-nr=131072") {
		t.Errorf("%+v", f)
	}
}

// TLS takes more memory, so that the same machine holds less.
func TestTLS(t *testing.T) {
	m := machine(t)
	plain, tls := find(Examine(m, Options{}), "memory"), find(Examine(m, Options{TLS: true}), "memory")
	if *plain.Connections != 15728640*1024/2/(plainConn+kernelConn) || *tls.Connections != 15728640*1024/2/(tlsConn+kernelConn) || !strings.Contains(tls.Text, "9,600 in the server") {
		t.Errorf("%d %d %s", *plain.Connections, *tls.Connections, tls.Text)
	}
}

// A machine that shows nothing is no reason to fail.
func TestEmptyMachine(t *testing.T) {
	m := machine(t)
	m.Root = fstest.MapFS{}
	r := Examine(m, Options{})
	if !r.OK() || r.Connections != 1<<20-128 {
		t.Errorf("%+v", r)
	}
	m.Files = func() (uint64, uint64, error) { return 0, 1<<64 - 1, nil }
	var out bytes.Buffer
	if Examine(m, Options{}).WriteText(&out); !strings.Contains(out.String(), "can hold unlimited connections") {
		t.Error(out.String())
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	Examine(machine(t, "nf_conntrack_max=65536", "somaxconn=128"), Options{MaxConns: 70_000}).WriteText(&out)
	for _, want := range []string{
		"This machine can hold 65,436 connections. What limits it: conntrack.\nThe server is to hold 70,000 (-max-conns).\n",
		"\nlimits  conntrack                   65,436  net.netfilter.", "-> sysctl -w net.netfilter.nf_conntrack_max=131072",
		"\nnote    somaxconn  ", "\nok      open files               1,048,448  hard limit",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), " 443") {
		t.Errorf("a port is named that the server may not have:\n%s", out.String())
	}
	out.Reset()
	Examine(machine(t, "nf_conntrack_max=65536"), Options{MaxConns: 70_000, Ports: []string{"443", "8080"}}).WriteText(&out)
	for _, want := range []string{"hook prerouting priority raw", "tcp dport { 443, 8080 } notrack", "hook output priority raw", "tcp sport { 443, 8080 } notrack"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "LimitNOFILE") {
		t.Errorf("it says how to raise what is high enough:\n%s", out.String())
	}
}

// The report of this machine is whole, as text and as JSON.
func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	r := Examine(m, Options{})
	_, hard, err := m.Files()
	if f := find(r, "open files"); err != nil || f == nil || f.Connections == nil || *f.Connections != max(int64(min(hard, noLimit))-128, 0) {
		t.Errorf("%v %+v", err, f)
	}
	for _, name := range []string{"memory", "kernel", "io_submit", "processors"} {
		if find(r, name) == nil {
			t.Errorf("nothing is said about %s", name)
		}
	}
	if r.Connections <= 0 || r.LimitedBy == "" {
		t.Errorf("%+v", r)
	}
	b, err := json.Marshal(r)
	var again Report
	if err != nil || json.Unmarshal(b, &again) != nil || len(again.Findings) != len(r.Findings) {
		t.Errorf("%s %v", b, err)
	}
}

// The bytes of a connection are those that bench has measured, or somewhat more, and doc.go has them.
func TestBytesAreMeasured(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{plainConn, tlsConn, kernelConn} {
		if !strings.Contains(string(doc), count(n)+" B ") {
			t.Errorf("doc.go does not say %s B", count(n))
		}
	}
	b, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line, used := range map[string]int{"connected, and idle": plainConn, "over TLS 1.3": tlsConn, "the kernel's socket": kernelConn} {
		m := regexp.MustCompile(`(?m)^    ` + line + ` +([0-9,]+) B`).FindSubmatch(b)
		if m == nil {
			t.Errorf("README.md has no figure for %q", line)
			continue
		}
		measured, err := strconv.Atoi(strings.ReplaceAll(string(m[1]), ",", ""))
		if err != nil || used < measured || used > measured*5/4 {
			t.Errorf("%s: %d B are measured, and %d B used", line, measured, used)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 10239: "10,239 B", 10240: "10 KiB", 1 << 20: "1 MiB", 1536 << 20: "1.5 GiB", 5 << 50: "5 PiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
