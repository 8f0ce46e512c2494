package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

func historyOf(messages int) func(string) *hub.TopicOptions {
	return func(string) *hub.TopicOptions { return &hub.TopicOptions{History: hub.History{Messages: messages}} }
}

// TestFollow: clients whose connections to a node are cut resume at another one, and miss nothing. So does the publisher, which
// publishes nothing twice.
func TestFollow(t *testing.T) {
	cluster := hub.NewMemoryBroker(hub.MemoryBrokerOptions{History: 1000})
	first := sessiontest.ServeNode(t, cluster.Node(), historyOf(1000))
	second := sessiontest.ServeNode(t, cluster.Node(), historyOf(1000))
	cut := wstest.Forward(t, first.Addr, func() int64 { return 5000 })
	r := runProgram(t, "follow", "-json", "-q", "-n", "20", "-rate", "500", "-count", "300", "ws://"+cut.Addr+"/hub", "ws://"+second.Addr+"/hub")
	r.wantOK(t)
	m, f := r.report.Messages, r.report.Follow
	if m.Sent != 300 || m.Received != 20*300 || m.Missing+m.Duplicated+m.Reordered+m.Wrong > 0 || m.Latency == nil {
		t.Errorf("%+v", m)
	}
	if f.Reconnected < 20 || f.Gaps > 0 || f.Away == nil || f.Silence == nil || f.Silence.Max < 2000 {
		t.Errorf("%+v %+v %+v", f, f.Away, f.Silence)
	}
}

// TestFollowMisses: where a topic has no history, a client that was cut off misses messages.
func TestFollowMisses(t *testing.T) {
	s := sessiontest.Serve(t, historyOf(0))
	cut := wstest.Forward(t, s.Addr, func() int64 { return 20_000 })
	var r result
	var other sync.WaitGroup
	other.Go(func() {
		r = runProgram(t, "follow", "-json", "-q", "-drain", "500ms", "-n", "1", "-rate", "0", "ws://"+cut.Addr+"/hub", "ws://"+s.Addr+"/hub")
	})
	sessiontest.Eventually(t, "it subscribes", func() bool { return s.Stats().Subscriptions == 1 })
	runProgram(t, "follow", "-json", "-q", "-n", "1", "-rate", "500", "-count", "600", "ws://"+s.Addr+"/hub").wantOK(t)
	other.Wait()
	if m, f := r.report.Messages, r.report.Follow; r.report.OK || m.Missing == 0 || m.Missing+m.Received != m.Expected || f.Gaps == 0 {
		t.Errorf("%+v %+v %v", m, f, r.report.Faults)
	}
}

// TestFollowOther: processes without a rate follow what another one publishes, and end with it.
func TestFollowOther(t *testing.T) {
	s := sessiontest.Serve(t, historyOf(100))
	url := "ws://" + s.Addr + "/hub"
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			r := runProgram(t, "follow", "-json", "-q", "-n", "10", "-rate", "0", url)
			r.wantOK(t)
			want(t, "received", r.report.Messages.Received, 500)
		})
	}
	sessiontest.Eventually(t, "all subscribe", func() bool { return s.Stats().Subscriptions == 20 })
	r := runProgram(t, "follow", "-json", "-q", "-n", "1", "-rate", "500", "-count", "50", url)
	r.wantOK(t)
	others.Wait()
}

func TestFollowArguments(t *testing.T) {
	for args, says := range map[string]string{
		"-hello 00 ws://a/hub":       "follow has no -hello",
		"-topic a.> ws://a/hub":      "-topic: ",
		"-topic a http://a/hub":      `bad URL "http://a/hub"`,
		"-topic a ws://a/hub b":      `bad URL "b"`,
		"-rate -1 ws://a/hub":        "-rate is -1",
		"-count 0 -duration 0s ws:/": "bad URL",
	} {
		r := runProgram(t, append([]string{"follow"}, strings.Fields(args)...)...)
		if r.status != exitUsage || !strings.Contains(r.stderr, says) {
			t.Errorf("%s: status %d, %s", args, r.status, r.stderr)
		}
	}
}
