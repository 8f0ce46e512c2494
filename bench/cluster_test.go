package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func TestClusterArguments(t *testing.T) {
	for args, says := range map[string]string{
		"-nodes 1":            "-nodes is 1",
		"-nodes 3 -empty 3":   "-empty is 3; it must be from 0 to 2",
		"-n 10":               "-n is 10; it must be at least 11",
		"-rate 0":             "-rate is 0",
		"-duration 1s":        "-duration is 1s",
		"-cost 0":             "-cost is 0",
		"-nodes 2 -n 2 extra": "extra",
	} {
		if _, err := parseClusterArgs(strings.Fields(args), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", args, err)
		}
	}
	o, err := parseClusterArgs([]string{"-quick", "-n", "70"}, new(bytes.Buffer))
	if err != nil || o.n != 70 || o.nodes != 3 {
		t.Errorf("%+v %v", o, err)
	}
}

// A cluster whose clients have missed messages is an error, whatever the reports say of themselves.
func TestClusterVerdict(t *testing.T) {
	c := &cluster{opts: &clusterOptions{nodes: 2, n: 2}}
	report := func(clients, received, again int64) (f followed) {
		f.Connections.Opened, f.Messages.Sent, f.Messages.Received, f.Follow.Reconnected = clients, 5, received, again
		return f
	}
	publisher := report(1, 5, 0)
	var out bytes.Buffer
	if err := c.verdict(&out, []followed{report(2, 10, 1), publisher}); err != nil || !strings.Contains(out.String(), "15 of 15") {
		t.Errorf("%v: %s", err, &out)
	}
	for name, r := range map[string]followed{"missing": report(2, 9, 1), "a client": report(1, 5, 1), "nobody lost its node": report(2, 10, 0)} {
		if err := c.verdict(&out, []followed{r, publisher}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAwaitLine(t *testing.T) {
	if err := awaitLine(strings.NewReader("a\nb ready\nc\n"), "ready"); err != nil {
		t.Error(err)
	}
	if err := awaitLine(strings.NewReader("a\nfailed\n"), "ready"); err == nil || !strings.Contains(err.Error(), "failed") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := poll(ctx, 1, func() bool { return false }); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
