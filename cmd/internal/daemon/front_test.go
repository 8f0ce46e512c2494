package daemon

import (
	"bytes"
	"flag"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestFrontFlags(t *testing.T) {
	here, lan := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3")
	for _, c := range []struct {
		args      string
		here, lan bool
		hosts     []string
		fails     string
	}{
		{"", true, false, nil, ""},
		{"-trusted-proxies unix", false, false, nil, ""},
		{"-trusted-proxies none", false, false, nil, ""},
		{"-trusted-proxies private,127.0.0.1 -hosts chat.example.org,*.other.example,", true, true, []string{"chat.example.org", "*.other.example"}, ""},
		{"-hosts a.example -hosts b.example", true, false, []string{"a.example", "b.example"}, ""},
		{"-trusted-proxies here", true, false, nil, `"here"`},
		{"-hosts https://chat.example.org", true, false, nil, `-hosts: "https://chat.example.org" is not a host`},
		{"-hosts a.example/,b.example/c", true, false, nil, `-hosts: "b.example/c" is not a host`},
		{"-hosts a.example:8080", true, false, nil, `-hosts: "a.example:8080" has a port; it must be a name without one, such as a.example`},
	} {
		f := flag.NewFlagSet("x", flag.ContinueOnError)
		f.SetOutput(io.Discard)
		var p wsproto.Proxies
		var hosts []string
		ProxiesVar(f, &p)
		HostsVar(f, &hosts)
		err := f.Parse(strings.Fields(c.args))
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", c.args, err, c.fails)
		}
		if p.Trust(here) != c.here || p.Trust(lan) != c.lan || !slices.Equal(hosts, c.hosts) {
			t.Errorf("%s: %v %v", c.args, p, hosts)
		}
	}
}

func TestHelpOfFrontFlags(t *testing.T) {
	f := flag.NewFlagSet("x", flag.ContinueOnError)
	var out bytes.Buffer
	f.SetOutput(&out)
	ProxiesVar(f, new(wsproto.Proxies))
	HostsVar(f, new([]string))
	if f.PrintDefaults(); !strings.Contains(out.String(), "(default loopback,unix)") || !strings.Contains(out.String(), "421") {
		t.Error(out.String())
	}
}
