package natsbroker

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A note is what nodes send each other without the stream. Its first byte says what it is. Numbers
// follow as unsigned varints, and data comes last.
const (
	noteChanges  = 'c' // from, upTo, last, and changes
	noteSnapshot = 's' // the same, of a snapshot's first part
	noteRequest  = 'r' // from
	noteQuestion = 'q' // the question's number, and the question
	noteAnswer   = 'a' // the question's number, and the answer
	noteRefusal  = 'x' // the question's number
)

// Limits of hub.Peers.
const (
	maxKey      = 1 << 10
	maxValue    = 64 << 10
	maxQuestion = 512 << 10
)

// change is a change of an entry of a node's state. A value of nil removes the entry.
type change struct {
	key   string
	value []byte
}

// size returns what a change takes in a note at most.
func (c *change) size() int { return len(c.key) + len(c.value) + 2*binary.MaxVarintLen32 }

// changes are the changes of a node's state after from, up to upTo. Of the changes of an entry there
// may be only the last one.
type changes struct {
	snapshot   bool // all that changed up to from has been removed, except what follows
	from, upTo uint64
	last       uint64 // the latest change that the node has announced
	all        []change
}

// encode returns the note.
func (c *changes) encode() []byte {
	size := 1 + 3*binary.MaxVarintLen64
	for i := range c.all {
		size += c.all[i].size()
	}
	b := make([]byte, 0, size)
	if c.snapshot {
		b = append(b, noteSnapshot)
	} else {
		b = append(b, noteChanges)
	}
	b = binary.AppendUvarint(b, c.from)
	b = binary.AppendUvarint(b, c.upTo)
	b = binary.AppendUvarint(b, c.last)
	for _, e := range c.all {
		b = append(binary.AppendUvarint(b, uint64(len(e.key))), e.key...)
		if e.value == nil {
			b = append(b, 0)
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(e.value))+1), e.value...)
	}
	return b
}

var errNote = errors.New("natsbroker: a note of a node cannot be decoded")

// decodeChanges reads a note, of which it retains nothing: what a node holds of a state does not keep
// whole notes in memory.
func decodeChanges(note []byte) (c changes, err error) {
	r := noteReader{rest: note}
	switch r.byte() {
	case noteSnapshot:
		c.snapshot = true
	case noteChanges:
	default:
		return c, fmt.Errorf("%w: it has no changes", errNote)
	}
	c.from, c.upTo, c.last = r.number(), r.number(), r.number()
	for len(r.rest) > 0 && !r.bad {
		var e change
		e.key = string(r.take(r.number(), maxKey))
		if n := r.number(); n > 0 {
			e.value = append([]byte{}, r.take(n-1, maxValue)...)
		}
		c.all = append(c.all, e)
	}
	if r.bad || c.from > c.upTo || c.upTo > c.last || c.snapshot && c.from != 0 {
		return changes{}, fmt.Errorf("%w: it is damaged", errNote)
	}
	return c, nil
}

// encodeNumber returns a note that has a number, and perhaps data.
func encodeNumber(kind byte, number uint64, data []byte) []byte {
	b := make([]byte, 1, 1+binary.MaxVarintLen64+len(data))
	b[0] = kind
	return append(binary.AppendUvarint(b, number), data...)
}

// decodeNumber reads a note that has a number. The data is part of the note.
func decodeNumber(note []byte) (kind byte, number uint64, data []byte, err error) {
	r := noteReader{rest: note}
	kind, number = r.byte(), r.number()
	if r.bad {
		return 0, 0, nil, fmt.Errorf("%w: it has no number", errNote)
	}
	return kind, number, r.rest, nil
}

// noteReader takes a note apart. Once it is bad, it returns zeros.
type noteReader struct {
	rest []byte
	bad  bool
}

func (r *noteReader) byte() byte {
	b := r.take(1, 1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *noteReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// take takes n bytes, which must not be more than most.
func (r *noteReader) take(n, most uint64) []byte {
	if r.bad || n > most || n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}
