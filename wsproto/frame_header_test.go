package wsproto

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
)

const (
	atServer     = ws.StateServerSide
	atClient     = ws.StateClientSide
	inFragments  = ws.StateFragmented
	zeroMask     = "\x00\x00\x00\x00"
	maxUint63len = "\x7f\xff\xff\xff\xff\xff\xff\xff"
)

var headerTests = []struct {
	name  string
	in    string
	state ws.State
	want  int64 // length
	err   *Violation
}{
	{"empty", "\x81\x80" + zeroMask, atServer, 0, nil},
	{"7 bit", "\x81\xfd" + zeroMask, atServer, 125, nil},
	{"16 bit least", "\x82\xfe\x00\x7e" + zeroMask, atServer, 126, nil},
	{"16 bit most", "\x82\xfe\xff\xff" + zeroMask, atServer, 65535, nil},
	{"64 bit least", "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00" + zeroMask, atServer, 65536, nil},
	{"64 bit most", "\x82\xff" + maxUint63len + zeroMask, atServer, math.MaxInt64, nil},
	{"unmasked 7 bit", "\x81\x7d", atClient, 125, nil},
	{"unmasked 16 bit", "\x81\x7e\x00\x7e", atClient, 126, nil},
	{"unmasked 64 bit", "\x81\x7f" + maxUint63len, atClient, math.MaxInt64, nil},
	{"fragment", "\x01\x80" + zeroMask, atServer, 0, nil},
	{"continuation", "\x80\x81" + zeroMask, atServer | inFragments, 1, nil},
	{"ping between fragments", "\x89\x81" + zeroMask, atServer | inFragments, 1, nil},
	{"close", "\x88\xfd" + zeroMask, atServer, 125, nil},

	{"16 bit for 0", "\x82\xfe\x00\x00", atServer, 0, errLengthNotMinimal},
	{"16 bit for 125", "\x82\xfe\x00\x7d", atServer, 0, errLengthNotMinimal},
	{"64 bit for 0", "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x00", atServer, 0, errLengthNotMinimal},
	{"64 bit for 65535", "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", atServer, 0, errLengthNotMinimal},
	{"64 bit for 65535 at client", "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", atClient, 0, errLengthNotMinimal},
	{"top bit", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", atServer, 0, errLengthTopBit},
	{"all bits", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", atServer, 0, errLengthTopBit},
	{"unmasked at server", "\x81\x00", atServer, 0, errMaskRequired},
	{"unmasked control at server", "\x89\x00", atServer, 0, errMaskRequired},
	{"masked at client", "\x81\x80", atClient, 0, errMaskForbidden},
	{"masked control at client", "\x89\x80", atClient, 0, errMaskForbidden},
	{"rsv1", "\xc1\x80", atServer, 0, errReservedBits},
	{"rsv2", "\xa1\x80", atServer, 0, errReservedBits},
	{"rsv3", "\x91\x80", atServer, 0, errReservedBits},
	{"rsv1 on control", "\xc9\x80", atServer, 0, errReservedBits},
	{"rsv1 on continuation", "\xc0\x80", atServer | inFragments, 0, errReservedBits},
	{"control 126", "\x89\xfe", atServer, 0, errControlLength},
	{"control 127", "\x8a\xff", atServer, 0, errControlLength},
	{"close 126", "\x88\x7e", atClient, 0, errControlLength},
	{"fragment of ping", "\x09\x80", atServer, 0, errControlFragment},
	{"fragment of close", "\x08\x80", atServer, 0, errControlFragment},
	{"message in message", "\x81\x80", atServer | inFragments, 0, errNoContinuation},
	{"fragment in message", "\x02\x80", atServer | inFragments, 0, errNoContinuation},
	{"nothing to continue", "\x80\x80", atServer, 0, errContinuation},
	{"nothing to continue, not last", "\x00\x80", atServer, 0, errContinuation},
}

func TestHeader(t *testing.T) {
	for _, tt := range headerTests {
		t.Run(tt.name, func(t *testing.T) {
			h, n, err := parseHeader([]byte(tt.in+"more"), tt.state)
			if tt.err != nil {
				if err != tt.err {
					t.Fatalf("got %v, want %v", err, tt.err)
				}
				return
			}
			if err != nil || n != len(tt.in) || h.Length != tt.want || byte(h.OpCode) != tt.in[0]&15 || h.Fin != (tt.in[0] >= 0x80) {
				t.Fatalf("got %+v, %d bytes, %v", h, n, err)
			}
			for cut := range len(tt.in) {
				if _, n, err := parseHeader([]byte(tt.in[:cut]), tt.state); n != 0 || err != nil {
					t.Fatalf("of %d bytes: %d, %v", cut, n, err)
				}
			}
		})
	}
}

func TestHeaderReservedOpcodes(t *testing.T) {
	for op := range byte(16) {
		reserved := op >= 3 && op <= 7 || op >= 11
		for _, b0 := range []byte{op, 0x80 | op} {
			_, _, err := parseHeader([]byte{b0, 0x80}, atServer)
			if (err == errReservedOpcode) != reserved {
				t.Errorf("%#x: %v", b0, err)
			}
		}
	}
}

// TestHeaderRoundTrip writes headers and frames and reads them back, around all
// lengths at which the form changes.
func TestHeaderRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 1 << 31, 1 << 40} {
		for _, b0 := range []byte{0x01, 0x02, 0x81, 0x82} {
			p := appendHeader([]byte("before"), b0 >= 0x80, Opcode(b0&15), size)[6:]
			h, n, err := parseHeader(p, atClient)
			if err != nil || n != len(p) || h.Length != int64(size) || h.Masked || h.Rsv != 0 || h.Fin != (b0 >= 0x80) || byte(h.OpCode) != b0&15 {
				t.Fatalf("%#x, %d: %+v, %d, %v", b0, size, h, n, err)
			}
		}
	}
}

func TestFrame(t *testing.T) {
	for range 300 {
		payload := letters(rand.IntN(300) * (1 + rand.IntN(300)))
		mask := &[4]byte{byte(rand.Uint32()), 0, byte(rand.Uint32()), 255}
		for _, m := range []*[4]byte{nil, mask} {
			got := appendFrame([]byte("x"), true, Binary, []byte(payload), m)
			if want := "x" + rawFrame(0x82, payload, m); string(got) != want {
				t.Fatalf("%d bytes, mask %v: %.30q, want %.30q", len(payload), m, got, want)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, tt := range headerTests {
		f.Add([]byte(tt.in), byte(tt.state))
	}
	f.Fuzz(func(t *testing.T, p []byte, state byte) {
		h, n, err := parseHeader(p, ws.State(state)&^ws.StateExtended)
		if err != nil || n == 0 {
			if n != 0 {
				t.Fatalf("%d bytes and %v", n, err)
			}
			return
		}
		theirs, err := ws.ReadHeader(bytes.NewReader(p))
		if err != nil || theirs != h {
			t.Fatalf("got %+v, the other parser %+v, %v", h, theirs, err)
		}
		again := appendHeader(nil, h.Fin, h.OpCode, int(h.Length))
		if h.Masked { // the shortest form is the only one, so the bytes are the same
			again[1] |= 0x80
			again = append(again, h.Mask[:]...)
		}
		if !bytes.Equal(again, p[:n]) {
			t.Fatalf("%x was read as %+v, which is written as %x", p[:n], h, again)
		}
	})
}
