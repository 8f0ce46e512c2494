package config

import (
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/natsserver"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// nodeFlags are the flags of a node with two others.
func nodeFlags(t *testing.T, more ...string) []string {
	return append([]string{
		"-data", t.TempDir(), "-cluster-listen", ":6222", "-cluster-peers", "a:6222,b:6222", "-cluster-secret-file", write(t, "secret", "sesame"),
	}, more...)
}

// Without the server in the program, each of its settings is refused, with the build that has it.
func TestClusterNotIncluded(t *testing.T) {
	if natsserver.Included {
		t.Skip("this build has the server")
	}
	for _, args := range [][]string{{"-data", "data"}, {"-cluster-listen", ":6222"}, {"-cluster-name", "other"}, {"-cluster-ca", "ca.pem"}} {
		l := Load(args, nil)
		if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].String(), args[0]+": this program has no NATS server in it; the one that has is built with go build -tags cluster") {
			t.Errorf("%v: %v", args, l.Problems)
		}
	}
}

// The settings of a node that cannot work are refused.
func TestClusterMistakes(t *testing.T) {
	if !natsserver.Included {
		t.Skip("this build does not have the server")
	}
	cert, _, _ := netpolltest.Certificate(t)
	for says, args := range map[string][]string{
		"-cluster-listen is given without -data":                    {"-cluster-listen", ":6222"},
		"-data and -nats exclude each other":                        {"-data", "data", "-nats", "nats://a"},
		"-cluster-peers is given without -cluster-listen":           {"-data", "data", "-cluster-peers", "a:1"},
		"-cluster-listen is given without -cluster-peers":           {"-data", "data", "-cluster-listen", "a:1"},
		"-cluster-listen is given without -cluster-secret-file":     {"-data", "data", "-cluster-listen", "a:1", "-cluster-peers", "b:1,c:1"},
		`-cluster-listen: "a" is not an address`:                    nodeFlags(t, "-cluster-listen", "a"),
		`-cluster-peers: ":6222" has no host`:                       nodeFlags(t, "-cluster-peers", "a:1,:6222"),
		`-cluster-name is "a b"; it must be letters`:                nodeFlags(t, "-cluster-name", "a b"),
		"-cluster-cert is given without -cluster-key":               nodeFlags(t, "-cluster-cert", cert, "-cluster-ca", cert),
		"-cluster-ca is given without -cluster-cert":                nodeFlags(t, "-cluster-ca", cert),
		"-cluster-secret-file: /nowhere: no such file or directory": nodeFlags(t, "-cluster-secret-file", "/nowhere"),
		"-nats-max-messages is 10000; it must be at least":          {"-data", "data", "-topic", "> history=20000"},
	} {
		l := Load(args, nil)
		l.Inspect(time.Now())
		if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].String(), says) {
			t.Errorf("%v: %v, want %q", args, l.Problems, says)
		}
	}
}

// The number of copies depends on the number of nodes, and settings of NATS that are without effect are noted.
func TestClusterSettings(t *testing.T) {
	if !natsserver.Included {
		t.Skip("this build does not have the server")
	}
	c := fine(t, nil, nodeFlags(t, "-nats-max-bytes", "1MiB")...)
	o, err := c.NATSServer()
	if err != nil || c.NATS.Replicas != 3 || o.Routes.Secret != "sesame" || o.MaxBytes != 1<<20 || o.MaxMessage != int(c.Limits.MaxMessage) || !c.Linked() {
		t.Errorf("%d replicas, %+v, %v", c.NATS.Replicas, o, err)
	}
	if c := fine(t, nil, nodeFlags(t, "-nats-replicas", "5")...); c.NATS.Replicas != 5 {
		t.Errorf("%d replicas, want those that are given", c.NATS.Replicas)
	}
	if c := fine(t, nil, "-data", "data"); c.NATS.Replicas != 1 {
		t.Errorf("%d replicas of a single node", c.NATS.Replicas)
	}
	for note, args := range map[string][]string{
		"": nodeFlags(t, "-nats-prefix", "p"), "-nats-ca is given without -nats": nodeFlags(t, "-nats-ca", "ca.pem"),
		"-cluster-peers has one node": {"-data", "data", "-cluster-listen", ":6222", "-cluster-peers", "a:1", "-cluster-secret-file", "secret"},
	} {
		l := Load(args, nil)
		if got := strings.Join(l.Notes, "\n"); !strings.Contains(got, note) || (note == "") != (got == "") {
			t.Errorf("%v: %q, want %q", args, got, note)
		}
	}
}
