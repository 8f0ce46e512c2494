package netpoll

import (
	"net/netip"
	"testing"
)

func TestOwnerOf(t *testing.T) {
	for _, tt := range []struct{ addr, owner string }{
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"2001:db8:1:2::1", "2001:db8:1:2::"},
		{"2001:db8:1:3::1", "2001:db8:1:3::"},
		{"fe80::1%eth0", "fe80::"},
		{"::1", "::"},
	} {
		if got := OwnerOf(netip.MustParseAddr(tt.addr)); got != netip.MustParseAddr(tt.owner) {
			t.Errorf("OwnerOf(%s) = %v, want %s", tt.addr, got, tt.owner)
		}
	}
	if got := OwnerOf(netip.Addr{}); got.IsValid() {
		t.Errorf("OwnerOf of no address = %v", got)
	}
}
