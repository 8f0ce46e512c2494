package client

import (
	"fmt"
	"io"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestPermanentErrors(t *testing.T) {
	closed := func(code wsproto.Code, remote bool) error {
		return fmt.Errorf("wrapped: %w", &wsproto.CloseError{Code: code, Remote: remote, Err: wsproto.ErrReadDeadline})
	}
	refused := func(status int) error { return &wsproto.HandshakeError{Status: status} }
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{io.EOF, false}, {ErrProtocol, false},
		{closed(1000, true), true}, {closed(1008, true), true}, {closed(3003, true), true},
		{closed(1001, true), false}, {closed(1006, false), false}, {closed(1009, true), false}, {closed(1012, true), false}, {closed(4000, true), false},
		{closed(1008, false), false}, // the client closed, because no hello arrived in time
		{refused(0), false}, {refused(401), true}, {refused(403), true}, {refused(410), true},
		{refused(301), false}, {refused(400), false}, {refused(404), false}, {refused(421), false}, {refused(426), false},
		{closed(1002, true), false}, {closed(1003, true), false}, {closed(1007, true), false},
		{&wsproto.HandshakeError{Status: 403, Proxy: "http://proxy"}, false},
		{refused(408), false}, {refused(429), false}, {refused(500), false}, {refused(503), false},
	} {
		if got := permanent(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a.b", "a", false}, {"a.*", "a.b", true}, {"a.*", "a.b.c", false}, {"a.*", "a", false},
		{"a.>", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "b.>", false}, {">", "x", true}, {"*.b", "a.*", true}, {"*.b", "a.c", false},
		{"*.*.c", "a.>", true}, {"*", "a.>", false}, {"*", ">", true},
	} {
		if got := overlap(tt.a, tt.b); got != tt.want || overlap(tt.b, tt.a) != tt.want {
			t.Errorf("%s, %s: %v", tt.a, tt.b, got)
		}
	}
}

func TestOwnOffsets(t *testing.T) {
	var o ownOffsets
	for _, n := range []uint64{6, 8, 7, 7, 10} {
		o.add(n)
	}
	if got := o.after(3); got != 3 || !o.has(6) || o.has(9) {
		t.Errorf("after 3: %d, %v", got, o)
	}
	if got := o.after(5); got != 8 || len(o) != 1 {
		t.Errorf("after 5: %d, %v", got, o)
	}
	if got := o.after(12); got != 12 || len(o) != 0 {
		t.Errorf("after 12: %d, %v", got, o)
	}
	for n := range uint64(3 * maxOwnOffsets) {
		o.add(2 * n)
	}
	if len(o) != maxOwnOffsets || !o.has(6*maxOwnOffsets-2) {
		t.Errorf("%d offsets, want %d with the latest", len(o), maxOwnOffsets)
	}
}
