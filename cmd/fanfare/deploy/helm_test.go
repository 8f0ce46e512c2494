package deploy

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

const helmModule = "helm.sh/helm/v3/cmd/helm@v3.22.0"

// helm runs helm: the one of the machine or, if tests may download, one that is built.
func helm(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	chart, err := filepath.Abs("helm/fanfare")
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "CHART", chart)
	}
	if path, err := exec.LookPath("helm"); err == nil {
		return command(t, path, args...)
	}
	if !script.Required() {
		t.Skip("helm is missing: go install " + helmModule)
	}
	return command(t, "go", append([]string{"run", helmModule}, args...)...)
}

// render returns what the chart is with some values.
func render(t *testing.T, values ...string) string {
	t.Helper()
	args := []string{"template", "live", "CHART", "--kube-version", "1.30"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return output(t, helm(t, args...))
}

func TestChartLint(t *testing.T) {
	if out := output(t, helm(t, "lint", "--strict", "--kube-version", "1.30", "CHART")); !strings.Contains(out, "0 chart(s) failed") {
		t.Error(out)
	}
}

// rendered are the settings of the server in a rendered chart.
func rendered(t *testing.T, text string) *config.Config {
	t.Helper()
	_, file, _ := strings.Cut(text, "  fanfare.toml: |\n")
	file, _, _ = strings.Cut(file, "---\n")
	name := filepath.Join(t.TempDir(), "fanfare.toml")
	writeFile(t, name, file)
	var environ []string
	for _, m := range regexp.MustCompile(`- name: (FANFARE_\w+)\n\s+value: "?([^"\n]*)`).FindAllStringSubmatch(text, -1) {
		if m[1] == "FANFARE_CONFIG" {
			m[2] = name
		}
		environ = append(environ, m[1]+"="+m[2])
	}
	l := config.Load(nil, environ)
	if len(l.Problems) > 0 || len(environ) < 5 {
		t.Fatalf("%v\n%q\n%s", l.Problems, environ, file)
	}
	return l.Config
}

// Kubernetes waits for longer than the phases of the shutdown take, whatever they are.
func TestChartWaitsForTheEnd(t *testing.T) {
	for _, c := range []struct {
		values        string
		grace, window time.Duration
		sleep         int
	}{
		{"", 10 * time.Second, 2 * time.Minute, 0},
		{"shutdown.window=300,shutdown.grace=20,shutdown.preStopSleep=15,shutdown.drain=1", 20 * time.Second, 5 * time.Minute, 15},
	} {
		text := render(t, c.values)
		s := rendered(t, text).Shutdown
		if s.Grace != c.grace || s.Window != c.window {
			t.Errorf("%s: %+v", c.values, s)
		}
		m := regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatal(text)
		}
		seconds, _ := strconv.Atoi(m[1])
		if wait := time.Duration(seconds-c.sleep) * time.Second; wait < s.Grace+s.Window+s.Drain {
			t.Errorf("%s: terminationGracePeriodSeconds is %d; the phases take %v, after %d seconds", c.values, seconds, s.Grace+s.Window+s.Drain, c.sleep)
		}
	}
}

// The values in docs/deployment.md are right, and so are the settings in them.
func TestDocumentedValues(t *testing.T) {
	text := documented(t, "yaml", "# values.yaml")
	name := filepath.Join(t.TempDir(), "values.yaml")
	writeFile(t, name, text)
	rendering := output(t, helm(t, "template", "live", "CHART", "--kube-version", "1.30", "-f", name))
	c := rendered(t, rendering)
	if len(c.Access.Keys) != 1 || !strings.Contains(rendering, "mountPath: "+filepath.Dir(c.Access.Keys[0].SecretFile)+"\n") || c.TLS.Cert == "" || strings.Join(c.Access.Hosts, "") != "live.example.org" {
		t.Errorf("%+v\n%s", c, rendering)
	}
}

// Each part of the chart is rendered if it is wanted, and not otherwise.
func TestChartParts(t *testing.T) {
	plain := render(t)
	for _, c := range []struct {
		values string
		part   string
		always bool
	}{
		{"", "kind: Deployment", true},
		{"", "kind: Service\n", true},
		{"", "kind: PodDisruptionBudget", true},
		{"", "path: /readyz", true},
		{"", "path: /healthz", true},
		{"", "readOnlyRootFilesystem: true", true},
		{"", "runAsNonRoot: true", true},
		{"autoscaling.enabled=true", "kind: HorizontalPodAutoscaler", false},
		{"networkPolicy.enabled=true", "kind: NetworkPolicy", false},
		{"admin.enabled=true", "name: live-fanfare-admin", false},
		{"admin.enabled=true,serviceMonitor.enabled=true,serviceMonitor.bearerTokenSecret.name=k", "kind: ServiceMonitor", false},
		{"tls.secretName=web", "scheme: HTTPS", false},
		{"secrets[0].name=keys", "mountPath: /etc/fanfare/secrets/keys", false},
		{"shutdown.preStopSleep=5", "preStop:", false},
		{"hosts[0]=live.example.org", "FANFARE_HOSTS", false},
		{"trustedProxies[0]=private", "FANFARE_TRUSTED_PROXIES", false},
		{"prometheusRule.enabled=true", "kind: PrometheusRule", false},
		{"prometheusRule.enabled=true", "    - alert: FanfareDown", false},
		{"nats.url=nats://nats:4222", "FANFARE_NATS_REPLICAS", false},
		{"nats.url=nats://nats:4222,nats.credentialsSecret.name=creds", "secretName: creds", false},
		{"autoscaling.enabled=true,autoscaling.targetConnections=400000", "name: fanfare_connections", false},
		{"config=handshake-rate = 2000", "handshake-rate = 2000", false},
	} {
		if strings.Contains(plain, c.part) != c.always {
			t.Errorf("without values: %q, %v", c.part, !c.always)
		}
		if text := render(t, c.values); !strings.Contains(text, c.part) {
			t.Errorf("%s: no %q", c.values, c.part)
		}
	}
	if out, err := helm(t, "template", "live", "CHART", "--kube-version", "1.30", "--set", "serviceMonitor.enabled=true").CombinedOutput(); err == nil || !strings.Contains(string(out), "needs admin.enabled") {
		t.Errorf("%v: %s", err, out)
	}
	c := rendered(t, render(t, "tls.secretName=web,admin.enabled=true,trustedProxies[0]=10.0.0.0/8,trustedProxies[1]=loopback"))
	if c.Listen[0].Addr != ":8080" || c.Admin.Addr != ":9464" || c.TLS.Cert != "/etc/fanfare/tls/tls.crt" || strings.Join(c.Access.TrustedProxies, " ") != "10.0.0.0/8 loopback" || c.Limits.HandshakeRate != 5000 {
		t.Errorf("%+v", c)
	}
}

// Replicas with a URL of NATS are the nodes of a cluster.
func TestChartCluster(t *testing.T) {
	c := rendered(t, render(t, "nats.url=nats://a:4222\\,nats://b:4222", "nats.prefix=live", "replicaCount=3"))
	if len(c.NATS.URLs) != 2 || c.NATS.Replicas != 3 || c.NATS.Prefix != "live" {
		t.Errorf("%+v", c.NATS)
	}
	if text := render(t, "nats.url=nats://a:4222", "nats.credentialsSecret.name=creds"); !strings.Contains(text, "mountPath: /etc/fanfare/nats\n") || !strings.Contains(text, "value: /etc/fanfare/nats/nats.creds\n") {
		t.Error(text)
	}
	// The metric that the autoscaler asks for is one that the server has, and that the adapter passes on.
	for _, file := range []string{"helm/prometheus-adapter.yaml", "helm/fanfare/templates/hpa.yaml", "../docs/metrics.md"} {
		if !strings.Contains(read(t, file), "fanfare_connections") {
			t.Errorf("%s has no fanfare_connections", file)
		}
	}
}
