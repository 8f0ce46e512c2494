package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// messages are messages of one kind and size.
type messages struct {
	name   string
	size   int
	plain  [][]byte
	frames [][]byte // the same, compressed and masked
}

// sourceSize is the least size of a source: messages of 128 KiB are cut from it at 16 places.
const sourceSize = 160 << 10

// corpora cuts messages from JSON, text and random bytes.
func (o *compressionOptions) corpora(ctx context.Context) ([]messages, error) {
	text := o.text
	if text == "" {
		root, err := command(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return nil, fmt.Errorf("find Newton's Opticks, which comes with Go (or give another -text): %w", err)
		}
		text = filepath.Join(strings.TrimSpace(string(root)), "src/testdata/Isaac.Newton-Opticks.txt")
	}
	random := make([]byte, sourceSize)
	_, _ = rand.NewChaCha8([32]byte{64, 55}).Read(random)
	report := autobahnReport()
	for file, source := range map[string]*[]byte{text: new([]byte), o.json: &report} {
		if file == "" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if len(b) < sourceSize {
			return nil, fmt.Errorf("%s has %d bytes; it must have at least %d", file, len(b), sourceSize)
		}
		*source = b
	}
	book, err := os.ReadFile(text)
	if err != nil {
		return nil, err
	}
	var all []messages
	for _, c := range []struct {
		name   string
		source []byte
		sizes  []int
	}{{"JSON", report, []int{256, 1 << 10, 16 << 10, 128 << 10}}, {"text", book, []int{256, 1 << 10, 16 << 10, 128 << 10}}, {"random", random, []int{1 << 10, 128 << 10}}} {
		for _, n := range c.sizes {
			all = append(all, cut(c.name, c.source, n, o.takeover))
		}
	}
	return all, nil
}

// cut takes 16 messages, one for each connection, from places at equal distances. For context takeover it takes messages that
// follow each other, as many as there are: of repeated ones little more than the number would be sent.
func cut(name string, source []byte, n int, takeover bool) messages {
	m := messages{name: fmt.Sprintf("%s %d", name, n), size: n}
	if n >= 1<<10 {
		m.name = fmt.Sprintf("%s %d KiB", name, n>>10)
	}
	count, step := compressionConns, (len(source)-n)/compressionConns
	if takeover {
		count, step = len(source)/n, n
	}
	for i := range count {
		p := source[i*step:][:n]
		m.plain = append(m.plain, p)
		m.frames = append(m.frames, deflateFrame(p))
	}
	return m
}

// autobahnReport makes up a report as the Autobahn test suite writes it: what its own cases send.
func autobahnReport() []byte {
	r := rand.New(rand.NewPCG(6455, 7692))
	agents := map[string]any{}
	for agent := range 5 {
		cases := map[string]any{}
		for i := range 300 {
			id := fmt.Sprintf("%d.%d.%d", i/50+1, i/10%5+1, i%10+1)
			cases[id] = map[string]any{"behavior": "OK", "behaviorClose": "OK", "duration": r.IntN(40), "remoteCloseCode": 1000,
				"reportfile": fmt.Sprintf("agent_0_%d_0_case_%s.json", agent, strings.ReplaceAll(id, ".", "_"))}
		}
		agents[fmt.Sprintf("Agent/0.%d.0", agent)] = cases
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "   ")
	if err := e.Encode(agents); err != nil {
		panic(err) // it is made of strings and numbers
	}
	return b.Bytes()
}
