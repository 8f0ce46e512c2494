package daemon

import (
	"errors"
	"flag"
	"strings"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// DefaultProxies is the default of -trusted-proxies, because most proxies run on the same machine.
const DefaultProxies = "loopback"

// ProxiesVar defines the flag -trusted-proxies.
func ProxiesVar(f *flag.FlagSet, p *wsproto.Proxies) {
	v := &proxies{p, DefaultProxies}
	if err := v.Set(DefaultProxies); err != nil {
		panic(err)
	}
	f.Var(v, "trusted-proxies", "comma-separated `addresses` of proxies in front: the server takes the client's address, scheme and host\nfrom their X-Forwarded-For, -Proto and -Host, Forwarded or X-Real-IP. They must set or remove all of these.\nAddresses, prefixes such as 10.0.0.0/8, and the words loopback, private and none are allowed. Use none\nbehind a forwarder of plain TCP (ssh -L, socat)")
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
	f.Var(v, "hosts", "comma-separated `names` of this server, such as example.org,*.example.org, beside localhost and names\nthat cannot be registered. A plain request to a private or loopback address for any other host gets 421,\nbecause it may come from a page whose name points here (DNS rebinding). Behind a proxy with TLS this\nflag is not needed")
}

// OriginsVar defines the flag -origins.
func OriginsVar(f *flag.FlagSet, p *[]string) {
	v := &hosts{p, func(list []string) error { return (&wsproto.Server{Origins: list}).Validate() }}
	f.Var(v, "origins", "comma-separated `hosts` whose pages may connect, publish and read, beside the server's own: example.org,\nexample.org:8443, *.example.org, https://example.org, or * for all. A server at localhost accepts\npages from every port of localhost")
}

// hosts is the flag.Value of -hosts and of -origins.
type hosts struct {
	list     *[]string
	validate func([]string) error
}

func (v *hosts) String() string {
	if v.list == nil { // package flag calls it on a zero value
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
		// The error names the field of wsproto.Server, which the operator does not know; package flag names the flag.
		text := err.Error()
		if _, after, ok := strings.Cut(text, " has "); ok {
			text = strings.Replace(after, ", which is ", " is ", 1)
		}
		return errors.New(text)
	}
	*v.list = all
	return nil
}
