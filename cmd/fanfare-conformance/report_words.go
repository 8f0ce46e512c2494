package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// String describes an event.
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
		return "a close frame without a code"
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

// difference describes where two payloads of the same kind differ.
func difference(want, got event) string {
	if want.op != got.op || want.payload == got.payload {
		return ""
	}
	n := 0
	for n < len(want.payload) && n < len(got.payload) && want.payload[n] == got.payload[n] {
		n++
	}
	return fmt.Sprintf(", which differs at byte %d", n)
}

// maxTrace is the number of bytes of each direction that a trace keeps.
const maxTrace = 256

// trace has the first bytes of a connection in both directions.
type trace struct {
	out, in head
}

// head keeps the first bytes written to it.
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
		s += fmt.Sprintf("... (%d bytes)", h.total)
	}
	return s
}
