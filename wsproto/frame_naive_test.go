package wsproto

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// TestParserRandom compares with a reader of the simplest kind, on frames that
// are mostly right.
func TestParserRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	errs := map[error]int{}
	for range 3000 {
		in := randomFrames(r)
		lim := limits{frame: 200 + r.IntN(400), message: 200 + r.IntN(800)}
		want, wantErr := naive(in, atServer, lim)
		got, err := feedPieces(t, cutRandom(in, r), atServer, lim)
		if err != wantErr || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%x: got %q, %v; want %q, %v", in, got, err, want, wantErr)
		}
		errs[err]++
	}
	if len(errs) < 8 || errs[nil] < 100 {
		t.Errorf("the test does not reach far: %v", errs)
	}
}

func randomFrames(r *rand.Rand) string {
	var b strings.Builder
	inside := false
	for range 1 + r.IntN(12) {
		b0 := byte(r.IntN(2)) << 7
		switch {
		case r.IntN(4) == 0:
			b0 = 0x89 + byte(r.IntN(2))
		case inside:
			inside = b0 == 0
		default:
			b0 |= 1 + byte(r.IntN(2))
			inside = b0 < 0x80
		}
		if r.IntN(60) == 0 {
			b0 = byte(r.Uint32())
		}
		size := r.IntN(1 << r.IntN(9))
		if b0&8 != 0 && r.IntN(10) > 0 {
			size = min(size, maxControl)
		}
		payload := []byte(greek(size))
		if len(payload) > 0 && r.IntN(10) == 0 {
			payload[r.IntN(len(payload))] = byte(r.Uint32())
		}
		frame := masked(b0, string(payload))
		if r.IntN(80) == 0 {
			frame = rawFrame(b0, string(payload), nil)
		}
		b.WriteString(frame)
	}
	return b.String()[:b.Len()-r.IntN(2)*r.IntN(b.Len())]
}

// naive parses in one piece, without a thought for memory or speed.
func naive(in string, state ws.State, lim limits) (events []string, err error) {
	var (
		op      Opcode
		message []byte
	)
	data := []byte(in)
	for {
		h, n, err := parseHeader(data, state)
		if n == 0 || err != nil {
			return events, err
		}
		have := data[n:]
		whole := int64(len(have)) >= h.Length
		if whole {
			have = have[:h.Length]
		}
		payload := append([]byte(nil), have...)
		for i := range payload {
			payload[i] ^= h.Mask[i%4]
		}
		data = data[n+len(payload):]
		if h.OpCode.IsControl() {
			if !whole {
				return events, nil
			}
			events = append(events, event(h.OpCode, string(payload)))
			continue
		}
		if h.OpCode != opContinuation {
			op, message = h.OpCode, nil
		}
		switch {
		case h.Length > int64(lim.frame):
			return events, errFrameSize
		case int64(len(message))+h.Length > int64(lim.message):
			return events, errMessageSize
		}
		message = append(message, payload...)
		if op == Text && !viable(message) {
			return events, errInvalidUTF8
		}
		if !whole {
			return events, nil
		}
		state = state.Set(ws.StateFragmented)
		if h.Fin {
			state = state.Clear(ws.StateFragmented)
			if op == Text && !viable(append(message[:len(message):len(message)], 'x')) {
				return events, errInvalidUTF8
			}
			events = append(events, event(op, string(message)))
		}
	}
}

func FuzzParser(f *testing.F) {
	for i, tt := range parserTests {
		if len(tt.in) < 1000 {
			f.Add([]byte(tt.in), uint64(i), false)
		}
	}
	f.Add([]byte(rawFrame(0x01, "a", nil)+rawFrame(0x89, "p", nil)+rawFrame(0x80, "b", nil)), uint64(1), true)
	lim := limits{frame: 300, message: 500}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, client bool) {
		state := atServer
		if client {
			state = atClient
		}
		s := string(in)
		want, wantErr := naive(s, state, lim)
		for _, pieces := range [][]string{cut(s), cutRandom(s, rand.New(rand.NewPCG(seed, 0)))} {
			got, err := feedPieces(t, pieces, state, lim)
			if err != wantErr || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("in %d pieces: got %q, %v; want %q, %v", len(pieces), got, err, want, wantErr)
			}
		}
	})
}
