package netpoll

import "net/netip"

// ownerBits is how much of an IPv6 address names its owner: one customer usually has
// a network of this size, or a larger one, and may use every address in it.
const ownerBits = 64

// OwnerOf returns the key under which what the peer at addr takes is counted: an IPv4
// address as it is, also if it is mapped to IPv6, and of an IPv6 address its /64. The
// zero Addr is its own key.
func OwnerOf(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if !addr.Is6() {
		return addr
	}
	network, err := addr.WithZone("").Prefix(ownerBits)
	if err != nil {
		return addr
	}
	return network.Addr()
}
