package doctest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
)

// protocolPage describes the wire protocol. It has the configuration of the servers that its exchanges are played with.
const protocolPage = "cmd/fanfare/docs/protocol.md"

// replyTimeout is the time for a server to answer.
const replyTimeout = time.Minute

// TestExchanges plays the exchanges in documents, each with a server of its own: it sends what clients say, and compares
// what the server says with the page. The lines of an exchange are
//
//	ada ws /hub?auth=message   ada connects
//	ada -> {"id":1, ...}       ada sends a message
//	ada <- {"id":1, ...}       ada gets a message; the next one, unless that is a hello, which a page may leave out
//	ada <- close 4401 TEXT     the server closes the connection
//	$ curl ...                 a command; its output is not compared
//
// Without a name the line is about a nameless client. A client that has not connected before does so at /hub.
func TestExchanges(t *testing.T) {
	program := buildFanfare(t)
	found := 0
	for _, b := range collect(t, everything) {
		if b.lang != "exchange" {
			continue
		}
		found++
		t.Run(b.name(), func(t *testing.T) {
			x := newExchange(t, program)
			for _, line := range b.lines() {
				x.play(b, line)
			}
			x.end(b)
		})
	}
	if found < 10 {
		t.Errorf("%d exchanges are found, want at least 10", found)
	}
}

// buildFanfare returns the path of the server program.
func buildFanfare(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fanfare")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/fanfare")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// exchange is a server with its clients.
type exchange struct {
	t       *testing.T
	shell   *shell
	addr    string
	clients map[string]*peer // by name
	same    comparison
	tokens  map[string]string // by the name in the page
}

var (
	listening = regexp.MustCompile(`listening on (\S+:\d+)`)
	// tokenRow is a row of a table with the claims of a token.
	tokenRow = regexp.MustCompile("(?m)^\\| `([A-Z0-9-]+)` \\| `(\\{.*\\})` \\|")
)

// newExchange starts a server with the configuration of protocolPage.
func newExchange(t *testing.T, program string) *exchange {
	t.Helper()
	s := newShell(t)
	for _, b := range markdown(t, protocolPage) {
		s.save(b)
	}
	secret := strings.Repeat("s", 32)
	if err := os.WriteFile(filepath.Join(s.dir, "secret.txt"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	x := &exchange{t: t, shell: s, clients: make(map[string]*peer), same: make(comparison), tokens: make(map[string]string)}
	for _, m := range tokenRow.FindAllStringSubmatch(read(t, protocolPage), -1) {
		c := jwt.MapClaims(object(t, m[2]))
		c["exp"] = time.Now().Add(time.Hour).Unix()
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		x.tokens[`"`+m[1]+`"`] = `"` + text + `"`
	}
	if err := s.serve(program + " -config protocol.toml -addr 127.0.0.1:0 -shutdown-grace 0s -shutdown-window 0s"); err != nil {
		t.Fatal(err)
	}
	x.addr = listening.FindStringSubmatch(s.says.String())[1]
	return x
}

// exchangeLine is a line about a client.
var exchangeLine = regexp.MustCompile(`^(?:(\w+) +)?(->|<-|ws) (.*)$`)

func (x *exchange) play(b block, line string) {
	x.t.Helper()
	if command, ok := strings.CutPrefix(line, "$ "); ok {
		if out, err := x.shell.command(strings.ReplaceAll(command, "localhost:8080", x.addr)); err != nil {
			x.t.Fatalf("%v: %s\n%v\n%s", b, line, err, out)
		}
		return
	}
	m := exchangeLine.FindStringSubmatch(line)
	if m == nil {
		x.t.Fatalf("%v: %q has none of the forms of lines", b, line)
	}
	name, text := m[1], m[3]
	if m[2] == "ws" {
		x.clients[name] = dial(x.t, "ws://"+x.addr+text)
		return
	}
	p := x.clients[name]
	if p == nil {
		p = dial(x.t, "ws://"+x.addr+"/hub")
		x.clients[name] = p
	}
	if m[2] == "->" {
		for token, is := range x.tokens {
			text = strings.ReplaceAll(text, token, is)
		}
		p.echoes = strings.Contains(text, `"echo":true`)
		p.send(x.same.actual(text))
		return
	}
	if err := x.same.compare(text, p.next(text)); err != nil {
		x.t.Fatalf("%v: %v", b, err)
	}
}

// next returns what the server says next, where the page shows some text. What a client publishes for itself, too, and the
// reply may come in either order.
func (p *peer) next(shown string) (said string) {
	p.t.Helper()
	if said, p.early = p.early, ""; said != "" {
		return said
	}
	said = p.read(strings.Contains(shown, `"hello"`))
	if p.echoes && isReply(said) != isReply(shown) {
		p.early = said
		return p.read(false)
	}
	return said
}

func isReply(message string) bool { return strings.HasPrefix(message, `{"id":`) }

// end checks that the clients have got no more than what b shows.
func (x *exchange) end(b block) {
	x.t.Helper()
	const ping, pong = `{"id":999,"do":"ping"}`, `{"id":999,"ok":{}}`
	for name, p := range x.clients {
		if !p.hub || p.closed {
			continue
		}
		p.send(ping)
		if p.early != "" {
			x.t.Errorf("%v: %s gets more than the page shows: %s", b, name, p.early)
		}
		if got := p.read(false); got != pong {
			x.t.Errorf("%v: %s gets more than the page shows: %s", b, name, got)
		}
	}
}

// peer is a client.
type peer struct {
	t      *testing.T
	c      *websocket.Conn
	hub    bool // it speaks fanfare.v1
	closed bool
	echoes bool   // its last request was to publish a message that it gets, too
	early  string // the reply, if it has come before that message, or the other way round
}

// dial connects to a URL, and fails if the server does not answer for a minute.
func dial(t *testing.T, url string) *peer {
	t.Helper()
	p := &peer{t: t, hub: strings.Contains(url, "/hub")}
	o := new(websocket.DialOptions)
	if p.hub {
		o.Subprotocols = []string{"fanfare.v1"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), replyTimeout)
	defer cancel()
	var err error
	if p.c, _, err = websocket.Dial(ctx, url, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.c.CloseNow() })
	return p
}

func (p *peer) send(line string) {
	p.t.Helper()
	if err := p.c.Write(p.t.Context(), websocket.MessageText, []byte(line)); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next message that is not a hello, unless one is wanted, or what the server closes the connection with.
func (p *peer) read(hello bool) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), replyTimeout)
	defer cancel()
	_, b, err := p.c.Read(ctx)
	var closed websocket.CloseError
	switch text := string(b); {
	case errors.As(err, &closed):
		p.closed = true
		return strings.TrimSpace(fmt.Sprintf("close %d %s", closed.Code, closed.Reason))
	case err != nil:
		p.t.Fatal(err)
		return ""
	case !hello && strings.HasPrefix(text, `{"hello":`):
		return p.read(false)
	default:
		return text
	}
}
