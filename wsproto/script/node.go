package script

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"
)

//go:embed node.js
var loop string

// FindNode returns the path of Node, or skips the test.
func FindNode(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		Need(t, "Node", "apt-get install nodejs npm")
	}
	return path
}

// NodeWithWS starts a Node that has its package ws, or skips the test. It is looked for
// as Node does: in NODE_PATH, too.
func NodeWithWS(t testing.TB) Engine {
	t.Helper()
	path := FindNode(t)
	if err := exec.Command(path, "-e", "require('ws')").Run(); err != nil {
		Need(t, "Node's package ws", "npm install --prefix DIR ws, and set NODE_PATH=DIR/node_modules")
	}
	return Node(t, path)
}

// node is a process that evaluates what it reads.
type node struct {
	in      io.Writer
	answers chan []byte
}

// Node starts a Node, which has require as in a module. It ends with the test, and must
// then have nothing left to do.
func Node(t testing.TB, path string, flags ...string) Engine {
	t.Helper()
	cmd := exec.Command(path, append(flags, "-e", loop)...)
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
		r := bufio.NewScanner(out)
		for r.Buffer(nil, 16<<20); r.Scan(); {
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

func (n *node) Eval(script string) (json.RawMessage, error) {
	line, err := json.Marshal(script)
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
