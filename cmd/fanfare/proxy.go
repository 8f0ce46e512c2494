package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/proxyproto"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// preamble returns how the connections of proxies begin that speak the PROXY protocol; nil if no connection does.
func preamble(c *config.Config) *netpoll.Preamble {
	peers, _ := wsproto.ParseProxies(strings.Join(c.Access.ProxyProtocol, ",")) // Load has checked it
	if len(peers) == 0 && !slices.ContainsFunc(c.Listen, func(l config.Listener) bool { return l.ProxyProtocol }) {
		return nil
	}
	return &netpoll.Preamble{
		From: func(addr netip.Addr) bool {
			if !addr.IsValid() { // of a Unix socket: see wsproto.ParseProxies
				addr = netip.IPv6Unspecified()
			}
			return peers.Trust(addr)
		},
		Parse: proxyproto.Parse, Max: proxyproto.Max,
	}
}
