package peers_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"
)

// TestNode has clients of Node's ws, which is looked for as Node does: in NODE_PATH,
// too.
func TestNode(t *testing.T) {
	path, err := exec.LookPath("node")
	if err != nil {
		need(t, "Node", "apt-get install nodejs npm")
	}
	if err := exec.Command(path, "-e", "require('ws')").Run(); err != nil {
		need(t, "Node's package ws", "npm install --prefix DIR ws, and set NODE_PATH=DIR/node_modules")
	}
	every(t, dialScript(startNode(t, path)))
}

// node is a process that evaluates what it reads.
type node struct {
	in      io.Writer
	answers chan []byte
}

func startNode(t *testing.T, path string) *node {
	cmd := exec.Command(path, "testdata/node.js")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &node{in, make(chan []byte, 1)}
	go func() {
		defer close(n.answers)
		for r := bufio.NewScanner(out); r.Scan(); {
			n.answers <- append([]byte(nil), r.Bytes()...)
		}
	}()
	t.Cleanup(func() {
		in.Close() // it ends when it has nothing to read and no connection
		for range n.answers {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return n
}

func (n *node) eval(expression string) (json.RawMessage, error) {
	line, err := json.Marshal(expression)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(n.in, "%s\n", line); err != nil {
		return nil, err
	}
	select {
	case b, ok := <-n.answers:
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		var a struct {
			Value json.RawMessage
			Error string
		}
		if err := json.Unmarshal(b, &a); err != nil {
			return nil, err
		}
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a.Value, nil
	case <-time.After(patience):
		return nil, errors.New("node does not answer")
	}
}
