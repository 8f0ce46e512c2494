package deploy

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// The nodes of the compose file have settings that the server takes, and time to end.
func TestComposeNodes(t *testing.T) {
	text := read(t, "compose/compose.yaml")
	var environ []string
	for _, m := range regexp.MustCompile(`(?m)^    (FANFARE_\w+): "?([^"\n]*)"?$`).FindAllStringSubmatch(text, -1) {
		environ = append(environ, m[1]+"="+m[2])
	}
	l := config.Load(nil, environ)
	if len(l.Problems) > 0 || len(environ) < 5 {
		t.Fatalf("%v %q", l.Problems, environ)
	}
	c := l.Config
	if len(c.NATS.URLs) != 1 || c.NATS.URLs[0] != "nats://nats:4222" || len(c.Topics) != 1 {
		t.Errorf("%+v %+v", c.NATS, c.Topics)
	}
	m := regexp.MustCompile(`(?m)^  stop_grace_period: (\S+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal(text)
	}
	wait, err := time.ParseDuration(m[1])
	if s := c.Shutdown; err != nil || wait <= s.Grace+s.Window+s.Drain {
		t.Errorf("docker waits %v, %v; the phases take %v", wait, err, s.Grace+s.Window+s.Drain)
	}
}

// All files for a cluster take the same version of NATS, that with which the tests run.
func TestVersionOfNATS(t *testing.T) {
	m := regexp.MustCompile(`nats-io/nats-server/v2 v(\d+\.\d+)\.`).FindStringSubmatch(read(t, root+"/go.mod"))
	if m == nil {
		t.Fatal("go.mod has no nats-server")
	}
	for file, says := range map[string]string{"compose/compose.yaml": "image: nats:" + m[1] + "-", "helm/nats-values.yaml": "tag: " + m[1] + "-"} {
		if !strings.Contains(read(t, file), says) {
			t.Errorf("%s has no %q", file, says)
		}
	}
}

// The proxy takes its configuration. There are no containers here whose names it could look up.
func TestComposeProxy(t *testing.T) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/haproxy"); err != nil {
			script.Need(t, "haproxy", "apt-get install haproxy")
		}
	}
	if out, err := exec.Command(path, "-c", "-f", "compose/haproxy.cfg").CombinedOutput(); err != nil || !strings.Contains(string(out), "Configuration file is valid") {
		t.Errorf("%v: %s", err, out)
	}
	text := read(t, "compose/compose.yaml")
	for _, node := range regexp.MustCompile(`server \w+ (\w+):8080`).FindAllStringSubmatch(read(t, "compose/haproxy.cfg"), -1) {
		if !strings.Contains(text, "\n  "+node[1]+":\n") {
			t.Errorf("compose.yaml has no %s", node[1])
		}
	}
}
