package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

const (
	roomMembers = 10_000
	roomTalkers = 10 // of the members, each of whom says five things a second
	roomTime    = 15 * time.Second
)

// BenchmarkRoom has 10,000 members in one room, each with an account and a connection of their own, ten of
// whom send messages. It reports the latency of messages, and the memory of a connection compared to one
// to a topic of cmd/fanfare.
func BenchmarkRoom(b *testing.B) {
	chat, fanfare, load := build(b, "fanfare-chat"), build(b, "fanfare"), build(b, "fanfare-load")
	for b.Loop() {
		dir := b.TempDir()
		cookies := filepath.Join(dir, "cookies")
		room := seed(b, dir, cookies, roomMembers)
		p := begin(b, chat, "-data", dir, "-addr-conns", "-1")
		said := p.loads(load, fmt.Sprintf("/rooms/%d", room), cookies)
		p.ends(syscall.SIGTERM)
		verify(b, dir, room, said.Messages.Sent)

		p = begin(b, fanfare)
		plain := p.loads(load, "/topics/load", cookies)
		p.ends(syscall.SIGTERM)

		p99 := said.Messages.Latency.P99 / 1e3
		perChat, perTopic := said.perConnection(b), plain.perConnection(b)
		b.ReportMetric(said.Messages.Latency.P50/1e3, "p50-ms")
		b.ReportMetric(p99, "p99-ms")
		b.ReportMetric(plain.Messages.Latency.P99/1e3, "topic-p99-ms")
		b.ReportMetric(said.Messages.PerSecond, "deliveries/s")
		b.ReportMetric(perChat, "B/room-connection")
		b.ReportMetric(perTopic, "B/topic-subscriber")
		if p99 > 500 {
			b.Errorf("the 99th percentile is %.0f ms, want less than 500 ms", p99)
		}
		if perChat > perTopic+100 {
			b.Errorf("a connection takes %.0f bytes, one to a plain topic %.0f; want at most 100 more", perChat, perTopic)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// build builds a program in a sibling directory, and returns the path of its binary.
func build(t testing.TB, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", file, "../"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// process is a server in a process of its own.
type process struct {
	testing.TB
	cmd  *exec.Cmd
	out  netpolltest.Output
	addr string
}

// begin starts a server, which is killed at the end of the test if it is still running.
func begin(t testing.TB, program string, args ...string) *process {
	t.Helper()
	p := &process{TB: t, cmd: exec.Command(program, append([]string{"-addr", "127.0.0.1:0"}, args...)...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	if !settles(func() bool { return strings.Contains(p.out.String(), "Ctrl-C") }) {
		t.Fatalf("the server does not start: %s", p.out.String())
	}
	p.addr = listening.FindStringSubmatch(p.out.String())[1]
	return p
}

var listening = regexp.MustCompile(`listening on (\S+)`)

// ends ends the process with a signal.
func (p *process) ends(s os.Signal) {
	p.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil && s != os.Kill {
		p.Fatalf("%v\n%s", err, p.out.String())
	}
}

// report has the used fields of the report of fanfare-load.
type report struct {
	OK       bool
	Messages struct {
		Sent, Missing int64
		PerSecond     float64                    `json:"received_per_second"`
		Latency       struct{ P50, P99 float64 } `json:"latency_microseconds"`
	}
	Memory []struct {
		Name   string
		Server struct {
			RSS struct {
				PerConnection float64 `json:"per_connection"`
			}
		}
	}
}

// perConnection returns the memory per connection, in bytes, when all were connected.
func (r *report) perConnection(t testing.TB) float64 {
	for _, m := range r.Memory {
		if m.Name == "connected" {
			return m.Server.RSS.PerConnection
		}
	}
	t.Fatal("fanfare-load has not measured the memory of the server")
	return 0
}

// loads runs fanfare-load against the server. It fails the test unless each message is delivered to each
// member once and in order.
func (p *process) loads(load, path, cookies string) *report {
	p.Helper()
	cmd := exec.Command(load, "broadcast", "-json", "-q", "-text", "-anywhere", "-size", "64",
		"-concurrency", "16", // the chat admits no more handshakes at a time from an address
		"-n", fmt.Sprint(roomMembers-roomTalkers), "-publishers", fmt.Sprint(roomTalkers), "-rate", fmt.Sprint(5*roomTalkers),
		"-duration", roomTime.String(), "-header-file", cookies, "-pid", fmt.Sprint(p.cmd.Process.Pid), "ws://"+p.addr+path)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var r report
	if err != nil || json.Unmarshal(out, &r) != nil || !r.OK {
		p.Fatalf("%v: %s%s\n%s", err, out, errs.Bytes(), p.out.String())
	}
	p.Logf("%s: %s", path, out)
	return &r
}

// seed creates a store with one room and its members, and writes a file with their cookies. It does so on
// a file system in memory, because each of the many transactions would wait for the disk.
func seed(t testing.TB, dir, cookies string, members int) (room int64) {
	t.Helper()
	fast, err := os.MkdirTemp("/dev/shm", "fanfare-chat")
	if err != nil {
		fast = t.TempDir()
	}
	defer os.RemoveAll(fast)
	s := openStore(t, fast)
	ctx, now := context.Background(), time.Now()
	var lines bytes.Buffer
	for i := range members {
		name := fmt.Sprintf("member%d", i)
		u, err := s.AddUser(ctx, store.User{Name: name, Key: name, Password: "-", Created: now})
		if err == nil && room == 0 {
			var r store.Room
			r, err = s.AddRoom(ctx, store.Room{Kind: store.Open, Name: "hall", Key: "hall", Owner: u.ID, Created: now})
			room = r.ID
		}
		if err == nil {
			_, err = s.Join(ctx, room, u.ID)
		}
		var token account.Token
		binary.BigEndian.PutUint64(token[:], uint64(i))
		if err == nil {
			_, err = s.AddLogin(ctx, store.Login{Hash: token.Hash(), User: u.ID, Created: now, Expires: now.Add(time.Hour)}, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "Cookie: %s=%s\n", account.Cookie(token, false).Name, base64.RawURLEncoding.EncodeToString(token[:]))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cookies, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(fast, "chat.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return room
}

func openStore(t testing.TB, dir string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), filepath.Join(dir, "chat.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify checks that all sent messages are stored. There may be up to four further messages, which
// fanfare-load sends as probes.
func verify(t testing.TB, dir string, room, sent int64) {
	t.Helper()
	s := openStore(t, dir)
	defer s.Close()
	stored, texts := int64(0), make(map[string]bool)
	each(t, s, room, func(m store.Message) {
		stored++
		texts[m.Text] = true
	})
	if stored < sent+1 || stored > sent+4 || int64(len(texts)) != stored {
		t.Errorf("%d messages are stored, %d different ones; %d were sent", stored, len(texts), sent)
	}
}
