package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	fan "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/netpoll"
)

// The tests in the files fault_*.go break what the program depends on, or the program itself.

// eventually fails the test unless cond comes to hold.
func (p *program) eventually(what string, cond func() bool) {
	p.t.Helper()
	if !settles(cond) {
		p.t.Fatalf("it does not come to this: %s; the program says\n%s", what, p.stderr.String())
	}
}

// health is what GET /healthz of operators says.
type health struct {
	Connections, Topics int
	Held                struct{ Pending, Topics, Transfers int64 }
}

func (p *program) health() (h health) {
	p.t.Helper()
	_, body := p.operator("GET", healthPath, "")
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		p.t.Fatalf("%s: %v", body, err)
	}
	return h
}

// fds returns how many descriptors a process has open.
func (c *child) fds() int {
	c.t.Helper()
	all, err := os.ReadDir("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/fd")
	if err != nil {
		c.t.Fatal(err)
	}
	return len(all)
}

// goroutines ends the process with the stacks of its goroutines on stderr, and returns how many have that text.
func (c *child) goroutines(text string) (n int) {
	c.t.Helper()
	c.signal(syscall.SIGQUIT)
	_ = c.cmd.Wait()
	for stack := range strings.SplitSeq(c.stderr.String(), "\n\n") {
		if strings.HasPrefix(stack, "goroutine ") && strings.Contains(stack, text) {
			n++
		}
	}
	return n
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// engine returns an engine for clients, which ends with the test.
func engine(t *testing.T) *netpoll.Engine {
	t.Helper()
	e, err := netpoll.New(netpoll.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = e.Shutdown(ctx)
	})
	return e
}

// connect returns a client of the library that reconnects.
func (p *program) connect(addr string, o fan.Options) *fan.Client {
	p.t.Helper()
	c, err := fan.Dial(p.long(), "ws://"+addr+"/hub", &o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// long returns a context for what takes long on a loaded machine.
func (p *program) long() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	p.t.Cleanup(cancel)
	return ctx
}

// writeFile writes a file as an editor does: it is there as a whole, or not at all.
func writeFile(t *testing.T, name, text string) {
	t.Helper()
	part := name + ".part"
	err := os.WriteFile(part, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tempFile returns the name of a file with that text.
func tempFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	writeFile(t, name, text)
	return name
}

// hmacSecret is the secret of tokens in these tests.
const hmacSecret = "0123456789abcdef0123456789abcdef"

// hmacToken returns a token signed with hmacSecret.
func hmacToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(hmacSecret), "", claims)
}

// sign returns a token with those claims, whose header names the key unless kid is empty.
func sign(t *testing.T, method jwt.SigningMethod, key any, kid string, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
