package daemon

import (
	"errors"
	"flag"
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
	f.Var(v, "trusted-proxies", "`addresses` of proxies in front, parted by commas: they are believed what they say of the client's\naddress, scheme and host in X-Forwarded-For, -Proto and -Host, Forwarded or X-Real-IP.\nThey must set or remove all of these. Use none behind what forwards TCP alone (ssh -L, socat).\nIt takes addresses, prefixes such as 10.0.0.0/8, and loopback, private or none")
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
	v := &hosts{p, func(list []string) error { return (&wsproto.Server{Hosts: list}).Validate() }}
	f.Var(v, "hosts", "`names` of this server beside localhost and what cannot be registered, parted by commas: example.org,\n*.example.org. A plain request to a private or loopback address for any other host gets 421, since\nit may come from a page whose name was made to point here (DNS rebinding). A proxy with TLS in\nfront needs no entry")
}

// OriginsVar defines the flag -origins.
func OriginsVar(f *flag.FlagSet, p *[]string) {
	v := &hosts{p, func(list []string) error { return (&wsproto.Server{Origins: list}).Validate() }}
	f.Var(v, "origins", "`hosts` whose pages may connect, publish and read, beside the server's own, parted by commas: example.org,\nexample.org:8443, *.example.org or https://example.org; * for all. For a server at localhost pages\nof every port of localhost are its own")
}

// hosts is the flag.Value of both.
type hosts struct {
	list     *[]string
	validate func([]string) error
}

func (v *hosts) String() string {
	if v.list == nil { // package flag asks for what is the default
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (v *hosts) Set(s string) error {
	all := *v.list
	for name := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		all = append(all, strings.TrimSuffix(name, "/"))
	}
	if err := v.validate(all); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "wsproto: Server."))
	}
	*v.list = all
	return nil
}
