package serving

import (
	"flag"
	"fmt"
	"net"
	"strings"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// DefaultProxies is the default of -trusted-proxies: a proxy on the same machine is the
// normal case.
const DefaultProxies = "loopback"

// ProxiesVar defines the flag -trusted-proxies.
func ProxiesVar(f *flag.FlagSet, p *wsproto.Proxies) {
	v := &proxies{p, DefaultProxies}
	if err := v.Set(DefaultProxies); err != nil {
		panic(err)
	}
	f.Var(v, "trusted-proxies", "`addresses` of proxies in front, parted by commas: they are believed what they say of the client's\naddress, scheme and host in X-Forwarded-For, -Proto and -Host, Forwarded or X-Real-IP.\nIt takes addresses, prefixes such as 10.0.0.0/8, and loopback, private or none")
}

// proxies is the flag.Value of ProxiesVar.
type proxies struct {
	list *wsproto.Proxies
	said string
}

func (v *proxies) String() string { return v.said }

func (v *proxies) Set(s string) error {
	list, err := wsproto.ParseProxies(s)
	if err == nil {
		*v.list, v.said = list, s
	}
	return err
}

// HostsVar defines the flag -hosts.
func HostsVar(f *flag.FlagSet, p *[]string) {
	f.Var((*hosts)(p), "hosts", "`names` of this server beside localhost and what cannot be registered, parted by commas. A request\nto a private or loopback address for any other host gets 421, since it may come from a page\nwhose name was made to point here (DNS rebinding). A proxy that speaks TLS needs no entry")
}

// hosts is the flag.Value of HostsVar.
type hosts []string

func (v *hosts) String() string { return strings.Join(*v, ",") }

func (v *hosts) Set(s string) error {
	var all []string
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if strings.ContainsAny(name, "/@* ") {
			return fmt.Errorf("%q is not a host; it takes names such as chat.example.org", name)
		}
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		all = append(all, strings.ToLower(name))
	}
	*v = append(*v, all...)
	return nil
}
