package main

import (
	"net/netip"
	"testing"
)

// A transfer that has ended is not cut any more: neither the response that says so nor the next request of the connection.
func TestCutComesNotTooLate(t *testing.T) {
	ts := &transfers{most: 100}
	cuts := 0
	one := &transfer{in: ts, owner: netip.MustParseAddr("192.0.2.1"), cut: func() { cuts++ }}
	one.interrupt()
	one.end()
	one.interrupt()
	if cuts != 1 {
		t.Errorf("it was cut off %d times, and once of these before its end", cuts)
	}
	other := &transfer{in: ts, owner: netip.MustParseAddr("192.0.2.2"), cut: func() { cuts++ }}
	if other.grow(200) {
		t.Fatal("it is beyond the bound")
	}
	other.interrupt()
	if cuts != 1 || ts.held != 0 {
		t.Errorf("cut off %d times, %d bytes held", cuts, ts.held)
	}
}
