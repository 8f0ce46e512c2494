package daemon

import (
	"errors"
	"flag"
	"strings"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// DefaultProxies is the default of -trusted-proxies, because most proxies run on the same machine.
const DefaultProxies = "loopback,unix"

// ProxiesVar defines the flag -trusted-proxies.
func ProxiesVar(f *flag.FlagSet, p *wsproto.Proxies) {
	v := &proxies{p, DefaultProxies}
	if err := v.Set(DefaultProxies); err != nil {
		panic(err)
	}
	f.Var(v, "trusted-proxies", "comma-separated `addresses` of proxies in front: the server takes the client's address, scheme and host\nfrom their X-Forwarded-For, -Proto and -Host, Forwarded or X-Real-IP. They must set or remove all of these.\nAddresses, prefixes such as 10.0.0.0/8, and the words loopback, unix (whoever connects to a Unix socket\nof the server), private and none are allowed. Use none behind a forwarder of plain TCP (ssh -L, socat)")
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
	f.Var(&hosts{p}, "hosts", "comma-separated `names` of this server, such as example.org,*.example.org, beside localhost and names\nthat cannot be registered. A plain request to a private or loopback address for any other host gets 421,\nbecause it may come from a page whose name points here (DNS rebinding). Behind a proxy with TLS this\nflag is not needed")
}

// hosts is the flag.Value of -hosts.
type hosts struct{ list *[]string }

func (v *hosts) String() string {
	if v.list == nil { // package flag calls it on a zero value
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (v *hosts) Set(s string) error {
	all := splitHosts(s)
	for _, name := range all {
		if err := wsproto.ValidateHost(name); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "wsproto: "))
		}
	}
	*v.list = append(*v.list, all...)
	return nil
}

// splitHosts returns the hosts of a list with commas. A slash at the end, which people copy from their browser, does not
// count.
func splitHosts(s string) []string {
	all := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	for i, name := range all {
		all[i] = strings.TrimSuffix(name, "/")
	}
	return all
}
