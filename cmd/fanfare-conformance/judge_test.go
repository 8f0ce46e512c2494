package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/wsproto"
)

const good101 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n\r\n"

// canned is a server that answers any request with the same bytes. Then it reads until the client has ended its side, or
// resets the connection at once.
func canned(t *testing.T, out string, reset bool) *target {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		got := make([]byte, 0, 4096)
		for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
			n, err := nc.Read(got[len(got) : len(got)+1])
			if err != nil {
				return
			}
			got = got[:len(got)+n]
		}
		_, _ = io.WriteString(nc, out)
		if reset {
			_, _ = nc.Read(got[:1]) // the client has the answer
			_ = nc.(*net.TCPConn).SetLinger(0)
			return
		}
		_ = nc.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, nc)
	}()
	return &target{addr: l.Addr().String(), host: "x", path: "/", foreign: true}
}

// TestJudge checks that the client reports the faults of servers, and none of a correct server.
func TestJudge(t *testing.T) {
	hi, bye := unmasked(fin|opText, "hi"), unmasked(fin|opClose, closeBody(1000, ""))
	for _, tt := range []struct{ name, out, want string }{
		{"right", good101 + hi + bye, ""},
		{"right, in fragments with a pong between", good101 + unmasked(opText, "h") + unmasked(fin|opCont, "i") + bye, ""},
		{"wrong payload", good101 + unmasked(fin|opText, "ho") + bye, `want text of 2 bytes "hi"; got plain text of 2 bytes "ho", which differs at byte 1`},
		{"wrong opcode", good101 + unmasked(fin|opBinary, "hi") + bye, "got plain binary"},
		{"one message too many", good101 + hi + hi + bye, "want close 1000; got plain text"},
		{"no answer", good101 + bye, "want text of 2 bytes \"hi\"; got close 1000"},
		{"wrong code", good101 + hi + unmasked(fin|opClose, closeBody(1001, "why")), `want close 1000; got close 1001 "why"`},
		{"no code", good101 + hi + unmasked(fin|opClose, ""), "got a close frame without a code"},
		{"no close frame", good101 + hi, "want close 1000; got the end of the connection"},
		{"cut", good101 + hi + bye[:3], "got the end of the connection in the middle of a frame"},
		{"more after the close frame", good101 + hi + bye + hi, "want the end of the connection; got 81"},
		{"close frame of a byte", good101 + hi + unmasked(fin|opClose, "x"), "malformed"},
		{"reason that is not UTF-8", good101 + hi + unmasked(fin|opClose, closeBody(1000, "\xff")), "malformed"},
		{"masked", good101 + frame(fin|opText, "hi") + bye, "masked"},
		{"reserved bit", good101 + unmasked(fin|rsv1|opText, "hi") + bye, "reserved bits"},
		{"reserved opcode", good101 + unmasked(fin|3, "hi") + bye, "reserved opcode"},
		{"long form", good101 + "\x81\x7e\x00\x02hi" + bye, "shortest form"},
		{"longer form", good101 + "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02hi" + bye, "shortest form"},
		{"continuation without a message", good101 + unmasked(fin|opCont, "hi") + bye, "out of place"},
		{"message within a message", good101 + unmasked(opText, "h") + hi + bye, "out of place"},
		{"control frame in fragments", good101 + unmasked(opPong, "") + hi + bye, "fragmented or too long"},
		{"long control frame", good101 + unmasked(fin|opPong, letters(126)) + hi + bye, "fragmented or too long"},
		{"text that is not UTF-8", good101 + unmasked(fin|opText, "\xff") + bye, "not UTF-8"},
		{"other status", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", `want status 101; got "HTTP/1.1 200 OK"`},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", "want an HTTP response"},
		{"wrong key", strings.Replace(good101, "s3pP", "S3pP", 1), "want Sec-WebSocket-Accept s3pP"},
		{"extension", strings.Replace(good101, "Upgrade\r\n", "Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", 1) + hi + bye, "want at most one field of extensions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Case{Script: func(s *script) {
				s.echo(opText, "hi")
				s.bye()
			}}
			saw(t, c, canned(t, tt.out, false), tt.want)
		})
	}
	reset := &Case{Script: func(s *script) { s.fails(1002); s.turn() }}
	saw(t, reset, canned(t, good101+unmasked(fin|opClose, closeBody(1002, "")), true), "want the end of the connection; got a reset")
	saw(t, &Case{Handshake: handshake{text: request(), status: 400}}, canned(t, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", false), "says why")
	saw(t, &Case{Handshake: handshake{text: request(), status: 400, fields: []string{"Allow: GET", "-X"}}},
		canned(t, "HTTP/1.1 400 Bad\r\nContent-Length: 1\r\n\r\nx", false), "want the field Allow: GET")
}

// saw plays a case and checks its error.
func saw(t *testing.T, c *Case, at *target, want string) {
	t.Helper()
	p, err := dial(at, whole, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer p.nc.Close()
	_, err = c.play(p, at)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestJudgeServers checks that the cases about a server's fault fail, and no others.
func TestJudgeServers(t *testing.T) {
	echo := func(change func(c *wsproto.Conn, op wsproto.Opcode, p []byte)) *wsproto.Server {
		return &wsproto.Server{Handler: &wsproto.Funcs{Message: change}, CheckOrigin: func(*wsproto.Request) bool { return true }}
	}
	same := func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) }
	small := echo(same)
	small.MaxMessage = 1000
	for name, tt := range map[string]struct {
		server *wsproto.Server
		failed string
	}{
		"in order": {echo(same), ""},
		"all text": {echo(func(c *wsproto.Conn, _ wsproto.Opcode, p []byte) { c.SendText(string(p)) }), "1.2.2 1.2.7"},
		"cut":      {echo(func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p[:min(len(p), 1000)]) }), "1.1.7 1.2.7"},
		"small":    {small, "1.1.7 1.2.7"},
		"silent":   {echo(func(*wsproto.Conn, wsproto.Opcode, []byte) {}), "1.1.2 1.1.7 1.2.2 1.2.7"},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(tt.server) // as an http.Handler
			defer web.Close()
			defer tt.server.Shutdown(t.Context())
			var err error
			j := newJudge(20 * time.Second)
			if j.targets.foreign, err = parseTarget("ws" + strings.TrimPrefix(web.URL, "http")); err != nil {
				t.Fatal(err)
			}
			var r report
			var some []*Case
			for _, c := range allCases() {
				switch c.ID {
				case "1.1.2", "1.1.7", "1.2.2", "1.2.7", "2.2", "7.3.2":
					some = append(some, c)
				}
			}
			j.all(some, 4, r.add)
			failed := ""
			for _, v := range r.failed(some) {
				if v.mode == whole {
					failed += " " + v.ID
				}
			}
			if strings.TrimSpace(failed) != tt.failed {
				t.Errorf("failed:%s, want: %s", failed, tt.failed)
				r.write(t.Output(), some, false)
			}
		})
	}
}

// TestRun checks the exit status and the output of the program.
func TestRun(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	for _, tt := range []struct {
		args   string
		status int
		want   []string
	}{
		{"-run 7.3.", 0, []string{"closing", "all", "failed"}},
		{"-run 13.11.3", 0, []string{"compression"}},
		{"-list -run H.2.1", 0, []string{"H.2.1\t", "RFC 6455, 4.4"}},
		{"-run 2.1 -v -url ws" + strings.TrimPrefix(refusing.URL, "http") + "/", 1, []string{"want status 101", "sent 4745", "pings"}},
		{"-run 9.9.1 -url ws" + strings.TrimPrefix(refusing.URL, "http") + "/", 2, []string{"no case could be run", "were skipped: they need a server"}},
		{"-run 8.", 2, []string{"-run: no case has a number"}},
		{"-url http://x", 2, []string{"-url is \"http://x\"; it must have the form ws://"}},
		{"-parallel 0", 2, []string{"-parallel is 0"}},
		{"-timeout -1s", 2, []string{"-timeout is -1s"}},
		{"-timeout 5", 2, []string{"write 5s for seconds"}},
		{"-h", 0, []string{"Usage: fanfare-conformance [flags]", "-url"}},
		{"more", 2, []string{`fanfare-conformance: unexpected argument "more"`}},
	} {
		var out bytes.Buffer
		if status := run(strings.Fields(tt.args), &out, &out); status != tt.status {
			t.Errorf("%s: status %d, want %d\n%s", tt.args, status, tt.status, out.String())
		}
		for _, w := range tt.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is not in\n%s", tt.args, w, out.String())
			}
		}
	}
}

// TestFirstBad compares firstBad with the standard library for all short sequences of interesting bytes.
func TestFirstBad(t *testing.T) {
	interesting := []byte{0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff}
	var all func(prefix []byte)
	all = func(prefix []byte) {
		if got, want := firstBad(string(prefix)), firstBadSlowly(prefix); got != want {
			t.Errorf("% x: %d, want %d", prefix, got, want)
		}
		if len(prefix) < 4 {
			for _, b := range interesting {
				all(append(prefix, b))
			}
		}
	}
	all(make([]byte, 0, 4))
}

// firstBadSlowly tries all possible ends for each prefix of p.
func firstBadSlowly(p []byte) int {
	for n := 1; n <= len(p); n++ {
		if !completable(p[:n]) {
			return n - 1
		}
	}
	if !utf8.Valid(p) {
		return len(p)
	}
	return -1
}

func completable(p []byte) bool {
	if utf8.Valid(p) {
		return true
	}
	for _, tail := range []string{"\x80", "\x90", "\xa0", "\x80\x80", "\x90\x80", "\xa0\x80", "\x80\x80\x80", "\x90\x80\x80"} {
		if utf8.ValidString(string(p) + tail) {
			return true
		}
	}
	return false
}
