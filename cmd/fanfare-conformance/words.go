package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// String describes an event for people.
func (e event) String() string {
	var b strings.Builder
	switch {
	case e.op == opClose && len(e.payload) >= 2:
		fmt.Fprintf(&b, "close %d", binary.BigEndian.Uint16([]byte(e.payload)))
		if reason := e.payload[2:]; reason != "" {
			fmt.Fprintf(&b, " %.40q", reason)
		}
		return b.String()
	case e.op == opClose:
		return "a close frame without code"
	}
	switch e.packed {
	case compressed:
		b.WriteString("compressed ")
	case plainly:
		b.WriteString("plain ")
	}
	fmt.Fprintf(&b, "%s of %s %.24q", opNames[e.op], size(len(e.payload)), e.payload)
	return b.String()
}

// difference says where two payloads of the same kind differ.
func difference(want, got event) string {
	if want.op != got.op || want.payload == got.payload {
		return ""
	}
	n := 0
	for n < len(want.payload) && n < len(got.payload) && want.payload[n] == got.payload[n] {
		n++
	}
	return fmt.Sprintf(", which differs from byte %d on", n)
}

// maxTrace is how much of each direction is kept to be shown.
const maxTrace = 256

// trace is what went over a connection, both ways.
type trace struct {
	out, in head
}

// head keeps the beginning of what is written to it.
type head struct {
	kept  bytes.Buffer
	total int
}

func (h *head) Write(p []byte) (int, error) {
	h.add(string(p[:min(len(p), maxTrace)]))
	h.total += max(0, len(p)-maxTrace)
	return len(p), nil
}

func (h *head) add(s string) {
	h.total += len(s)
	h.kept.WriteString(abridge(s, maxTrace-h.kept.Len()))
}

func (h *head) String() string {
	s := fmt.Sprintf("%x", h.kept.Bytes())
	if h.total > h.kept.Len() {
		s += fmt.Sprintf("... %d bytes in all", h.total)
	}
	return s
}
