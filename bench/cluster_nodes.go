package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cluster is a nats-server, and nodes of fanfare. The last node is only published at.
type cluster struct {
	opts     *clusterOptions
	dir      string
	programs *programs
	log      io.Writer
	nats     *child
	nodes    []*node
}

// node is one fanfare.
type node struct {
	*child
	// again is another address, for clients that come from another node: the kernel takes long to find a free port for a
	// connection if most of those to the same address are in use.
	again string
	admin *http.Client // for its operators
}

// start starts everything, and waits until all nodes are ready.
func (c *cluster) start(ctx context.Context) error {
	url, err := c.startNATS(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.log, "starting nats-server and %d nodes\n", c.opts.nodes+1)
	for i := range c.opts.nodes + 1 {
		socket := filepath.Join(c.dir, fmt.Sprintf("admin%d", i))
		s, lines, err := startLines(ctx, 2, nil, c.programs.fanfare, "-addr", "127.0.0.1:0,127.0.0.1:0", "-admin", "unix:"+socket, "-nats", url, "-topic", "load history=10000")
		if err != nil {
			return err
		}
		n := &node{child: s, admin: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}}
		for i, addr := range []*string{&s.addr, &n.again} {
			_, at, _ := strings.Cut(lines[i], " listening on ")
			*addr, _, _ = strings.Cut(at, " ")
		}
		c.nodes = append(c.nodes, n)
		if err := poll(ctx, time.Minute, func() bool { return n.get(ctx, "/readyz") == nil }); err != nil {
			return fmt.Errorf("node %d is not ready: %w", i+1, err)
		}
	}
	return nil
}

// startNATS builds nats-server with the versions of Fanfare's module, and starts it.
func (c *cluster) startNATS(ctx context.Context) (url string, err error) {
	program := filepath.Join(c.dir, "nats-server")
	build := command(ctx, "go", "build", "-C", "..", "-o", program, "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	run, cancel := context.WithCancel(ctx)
	cmd := command(run, program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", filepath.Join(c.dir, "data"), "--ports_file_dir", c.dir)
	if err := cmd.Start(); err != nil {
		cancel()
		return "", err
	}
	c.nats = &child{cmd: cmd, end: cancel, wait: func() { _ = cmd.Wait() }} // it is killed
	file := filepath.Join(c.dir, fmt.Sprintf("nats-server_%d.ports", cmd.Process.Pid))
	err = poll(ctx, time.Minute, func() bool {
		var ports struct{ Nats []string }
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &ports) != nil || len(ports.Nats) == 0 {
			return false
		}
		url = ports.Nats[0]
		return true
	})
	return url, err
}

func (c *cluster) stop() {
	for _, n := range c.nodes {
		n.stop()
	}
	if c.nats != nil {
		c.nats.stop()
	}
}

// get asks a node's operators' page for a path.
func (n *node) get(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://node"+path, nil)
	if err != nil {
		return err
	}
	resp, err := n.admin.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return nil
}

// poll waits until done, for that time at most.
func poll(ctx context.Context, most time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
