//go:build cluster

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	fan "github.com/fanfare-ws/fanfare/hub/client"
)

// poster publishes numbered messages to the topic work, one after the other, and notes which were acknowledged.
type poster struct {
	mu    sync.Mutex
	addr  string
	acked []string
	tried int
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// publishSteadily publishes to the server at addr until stop is called.
func publishSteadily(t *testing.T, addr string) *poster {
	ctx, cancel := context.WithCancel(t.Context())
	p := &poster{addr: addr, stop: cancel}
	p.done.Go(func() {
		for ctx.Err() == nil {
			p.publish()
			time.Sleep(2 * time.Millisecond) // the pace of messages
		}
	})
	t.Cleanup(p.end)
	return p
}

func (p *poster) publish() {
	p.mu.Lock()
	p.tried++
	addr, text := p.addr, fmt.Sprint("message ", p.tried)
	p.mu.Unlock()
	resp, err := http.Post("http://"+addr+"/topics/work", "text/plain", strings.NewReader(text))
	if err != nil {
		return
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		p.mu.Lock()
		p.acked = append(p.acked, text)
		p.mu.Unlock()
	}
}

// end ends the publishing.
func (p *poster) end() {
	p.stop()
	p.done.Wait()
}

func (p *poster) accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.acked)
}

// isComplete reports whether a list has all acknowledged messages in order, each once. It may have others, whose
// acknowledgement was lost.
func (p *poster) isComplete(got []string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := make(map[string]bool)
	rest := p.acked
	for _, text := range got {
		if seen[text] {
			return false
		}
		seen[text] = true
		if len(rest) > 0 && text == rest[0] {
			rest = rest[1:]
		}
	}
	return len(rest) == 0
}

func (h *heard) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}

// follow subscribes a client that reconnects to the topic work.
func (h *heard) follow(t *testing.T, at *child, others ...string) {
	t.Helper()
	o := fan.Options{Engine: engine(t), MaxDelay: 100 * time.Millisecond, Timeout: 30 * time.Second}
	for _, addr := range others {
		o.Others = append(o.Others, "ws://"+addr+"/hub")
	}
	if _, err := at.connect(at.addr, o).Subscribe(at.long(), "work", &fan.SubscribeOptions{OnGap: h.gap}, h.message); err != nil {
		t.Fatal(err)
	}
}

// followed waits until a client has what was acknowledged, and nothing twice, and checks that it was told of no gap.
func (h *heard) followed(t *testing.T, at *child, p *poster) {
	t.Helper()
	at.eventually("the client has every message", func() bool { return p.isComplete(h.list()) })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gaps > 0 {
		t.Errorf("the client was told of %d gaps", h.gaps)
	}
}

// kept returns the end of the history of the topic work, and its position.
func (c *child) kept() (position string, all []string) {
	c.t.Helper()
	_, body := c.request("GET", "/topics/work/history?last=1000", "", nil)
	var page struct {
		Position string
		Messages []struct {
			Offset uint64
			Text   string
		}
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		c.t.Fatal(err)
	}
	for _, m := range page.Messages {
		all = append(all, fmt.Sprint(m.Offset, " ", m.Text))
	}
	return page.Position, all
}

// A single node is killed while messages are published, and started again with its directory. Nothing that was acknowledged is lost,
// clients resume without a gap, and positions remain those that they were.
func TestDataOutlivesKill(t *testing.T) {
	args := []string{"-data", filepath.Join(t.TempDir(), "data"), "-topic", "> history=10000 age=10m"}
	node := startChildAt(t, newSite(t, nil).addr, args...)
	node.linked()
	at := node.posted("work", "before")
	var h heard
	h.follow(t, node)
	p := publishSteadily(t, node.addr)
	for range 3 {
		before := p.accepted()
		node.eventually("some messages are accepted", func() bool { return p.accepted() > before+20 })
		node.signal(syscall.SIGKILL)
		_ = node.cmd.Wait()
		node = startChildAt(t, node.addr, args...)
		node.linked()
	}
	p.end()
	h.followed(t, node, p)
	if _, body := node.request("GET", "/topics/work/history?after="+at+"&limit=1", "", nil); !strings.Contains(body, h.list()[0]) {
		t.Errorf("after the position of before: %s; the first message of the client was %s", body, h.list()[0])
	}
}

// A server that ends in order has delivered and stored everything, says nothing that is not so, and begins again where it ended.
func TestDataOutlivesEnd(t *testing.T) {
	args := []string{"-data", t.TempDir(), "-topic", "> history=1000 age=10m", "-shutdown-grace", "0s", "-shutdown-window", "100ms"}
	var last string
	for range 2 {
		node := startChild(t, args...)
		node.linked()
		if before, _ := node.kept(); last != "" && epochOf(before) != epochOf(last) {
			t.Errorf("the position was %s, and is %s", last, before)
		}
		last = node.posted("work", "x")
		begun := time.Now()
		node.signal(syscall.SIGTERM)
		if err := node.cmd.Wait(); err != nil {
			t.Error(err)
		}
		if log := node.stderr.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") || !strings.Contains(log, "the NATS server in this process has started") {
			t.Errorf("the log after %v: %s", time.Since(begun), log)
		}
	}
	node := startChild(t, args...)
	if _, all := node.linkedChild().kept(); len(all) != 2 {
		t.Errorf("%v", all)
	}
}

func epochOf(position string) string {
	epoch, _, _ := strings.Cut(position, ":")
	return epoch
}

func (c *child) linkedChild() *child {
	c.linked()
	return c
}

// A directory is refused, with a reason, if another process uses it, and nothing listens then.
func TestDataInUse(t *testing.T) {
	dir := t.TempDir()
	start(t, "-data", dir).linked()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-data", dir}, &stdout, &stderr); status != 1 || stdout.Len() > 0 ||
		!strings.Contains(stderr.String(), "fanfare: the data directory "+dir+" is in use by another process; each node needs its own") {
		t.Errorf("status %d, %q, %q", status, stdout.String(), stderr.String())
	}
}

// dataCluster is nodes that need no other program.
type dataCluster struct {
	t     *testing.T
	all   []*child
	args  [][]string // of each
	peers []string
}

// newDataCluster starts the nodes, and waits until they are linked.
func newDataCluster(t *testing.T) *dataCluster {
	t.Helper()
	c := &dataCluster{t: t}
	secret := secretFile(t, "sesame")
	for range 3 {
		c.peers = append(c.peers, newSite(t, nil).addr)
	}
	for _, listen := range c.peers {
		c.args = append(c.args, []string{
			"-data", t.TempDir(), "-cluster-listen", listen, "-cluster-peers", strings.Join(c.peers, ","), "-cluster-secret-file", secret, "-topic", "> history=10000 age=10m",
		})
		c.all = append(c.all, startChildAt(t, newSite(t, nil).addr, c.args[len(c.args)-1]...))
	}
	for _, node := range c.all {
		node.linked()
	}
	return c
}

func (c *dataCluster) kill(i int) {
	c.all[i].signal(syscall.SIGKILL)
	_ = c.all[i].cmd.Wait()
}

func (c *dataCluster) restart(i int) {
	c.t.Helper()
	c.all[i] = startChildAt(c.t, c.all[i].addr, c.args[i]...)
	c.all[i].linked()
}

// Each of three nodes is killed in turn while messages are published. The others go on, the clients of the one that was killed go on
// at another node without a gap, and the node comes back and has what it has missed.
func TestThreeNodes(t *testing.T) {
	c := newDataCluster(t)
	var clients [3]heard
	for i, node := range c.all {
		clients[i].follow(t, node, c.all[(i+1)%3].addr, c.all[(i+2)%3].addr)
	}
	for i := range c.all {
		p := publishSteadily(t, c.all[(i+1)%3].addr)
		for n := range 3 { // with the last node that was killed, the cluster is whole again
			c.all[n].eventually("some messages are accepted", func() bool { return p.accepted() > 10*(n+1) })
		}
		c.kill(i)
		before := p.accepted()
		c.all[(i+1)%3].eventually("the others accept messages", func() bool { return p.accepted() > before+20 })
		c.restart(i)
		p.end()
		for n := range clients {
			clients[n].followed(t, c.all[n], p)
		}
		_, want := c.all[(i+1)%3].kept()
		c.all[i].eventually("the node has the same history", func() bool {
			_, got := c.all[i].kept()
			return slices.Equal(got, want)
		})
		for n := range clients {
			clients[n].mu.Lock()
			clients[n].all = nil
			clients[n].mu.Unlock()
		}
	}
	c.stranger()
}

// A node that has lost its directory takes its old place with an empty one, and gets the messages of the others.
func TestDataLost(t *testing.T) {
	c := newDataCluster(t)
	for range 20 {
		c.all[1].posted("work", "x")
	}
	c.kill(0)
	if err := os.RemoveAll(c.args[0][1]); err != nil {
		t.Fatal(err)
	}
	c.restart(0)
	_, want := c.all[1].kept()
	c.all[0].eventually("the node has the history", func() bool {
		_, got := c.all[0].kept()
		return len(got) == 20 && slices.Equal(got, want)
	})
	c.kill(1)
	c.all[0].eventually("it counts as one of the two that the cluster needs", func() bool {
		resp, _ := c.all[0].publishes("work", "y")
		return resp.StatusCode == http.StatusOK
	})
}

// stranger checks that a node without the secret has no part in the cluster, and that the log says so.
func (c *dataCluster) stranger() {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	l.Close()
	wrong := startChild(c.t, "-data", c.t.TempDir(), "-cluster-listen", l.Addr().String(), "-cluster-peers", strings.Join(c.peers, ","), "-cluster-secret-file", secretFile(c.t, "other"))
	wrong.eventually("the stranger is told", func() bool { return strings.Contains(wrong.stderr.String(), "Authorization Violation") })
	c.all[0].eventually("a node says so", func() bool {
		return slices.ContainsFunc(c.all, func(node *child) bool { return strings.Contains(node.stderr.String(), "authentication error") })
	})
	if !wrong.readyIs(http.StatusServiceUnavailable, "unlinked") {
		c.t.Error("the stranger is ready")
	}
	if log := wrong.stderr.String(); strings.Contains(log, "other") && strings.Contains(log, "sesame") {
		c.t.Error("the secret is in the log")
	}
}

// A node that ends in order hands over, so that the others go on at once, and says nothing that is not so.
func TestThreeNodesInTurn(t *testing.T) {
	c := newDataCluster(t)
	p := publishSteadily(t, c.all[2].addr)
	for i := range 2 {
		c.all[2].eventually("some messages are accepted", func() bool { return p.accepted() > 20*(i+1) })
		c.all[i].signal(syscall.SIGTERM)
		if err := c.all[i].cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, c.all[i].stderr.String())
		}
		if log := c.all[i].stderr.String(); strings.Contains(log, "has not ended in order") {
			t.Error(log)
		}
		before := p.accepted()
		c.all[2].eventually("messages are accepted without the node", func() bool { return p.accepted() > before+10 })
		c.restart(i)
	}
}
