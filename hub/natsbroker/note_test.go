package natsbroker

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestNotes(t *testing.T) {
	for _, c := range []changes{
		{},
		{from: 1, upTo: 1<<64 - 1, last: 1<<64 - 1},
		{upTo: 3, last: 9, snapshot: true, all: []change{{"", []byte{}}, {"removed", nil}, {"key", []byte("value")}}},
		{upTo: 1, last: 1, all: []change{{strings.Repeat("k", maxKey), bytes.Repeat([]byte("v"), maxValue)}}},
	} {
		got, err := decodeChanges(c.encode())
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%.80v becomes %.80v, %v", c, got, err)
		}
	}
	for name, c := range map[string]changes{
		"it goes back":                   {from: 2, upTo: 1, last: 3},
		"it is not the last":             {upTo: 2, last: 1},
		"a snapshot that does not begin": {snapshot: true, from: 1, upTo: 2, last: 2},
		"a large key":                    {all: []change{{strings.Repeat("k", maxKey+1), nil}}},
		"a large value":                  {all: []change{{"", make([]byte, maxValue+1)}}},
	} {
		if got, err := decodeChanges(c.encode()); err == nil {
			t.Errorf("%s: %.80v", name, got)
		}
	}
	kind, number, data, err := decodeNumber(encodeNumber(noteAnswer, 1<<40, []byte("data")))
	if err != nil || kind != noteAnswer || number != 1<<40 || string(data) != "data" {
		t.Errorf("%c %d %q, %v", kind, number, data, err)
	}
}

// Whatever can be decoded is within the limits, and encoded to what is decoded the same way.
func FuzzNote(f *testing.F) {
	for _, c := range []changes{
		{},
		{from: 5, upTo: 300, last: 1 << 40, all: []change{{"a", []byte("b")}, {"c", nil}, {"", []byte{}}}},
		{snapshot: true, upTo: 1, last: 1},
	} {
		note := c.encode()
		f.Add(note)
		f.Add(note[:len(note)-1])
	}
	f.Add(encodeNumber(noteQuestion, 1<<63, []byte("data")))
	f.Fuzz(func(t *testing.T, note []byte) {
		if kind, number, data, err := decodeNumber(note); err == nil {
			again := encodeNumber(kind, number, data)
			if k, n, d, err := decodeNumber(again); err != nil || k != kind || n != number || !bytes.Equal(d, data) || len(again) > len(note) {
				t.Fatalf("%q becomes %q", note, again)
			}
		}
		c, err := decodeChanges(note)
		if err != nil {
			return
		}
		for _, e := range c.all {
			if len(e.key) > maxKey || len(e.value) > maxValue {
				t.Fatalf("a key of %d and a value of %d bytes", len(e.key), len(e.value))
			}
		}
		again, err := decodeChanges(c.encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%v becomes %v, %v", c, again, err)
		}
	})
}
