package client

import "slices"

// own has the offsets of messages that the client itself has published to a topic, and
// so does not get, beyond the last that came. With them the subscription's position
// includes them, or it would get them when it is resumed: the server does not know then
// whose they were. Those of which no reply told the offset it gets.
type ownOffsets []uint64

// maxOwnOffsets bounds it: only messages that never come, by the topic's policy, let it grow.
const maxOwnOffsets = 1000

// add adds an offset; they come in their order, but for those that are published again.
func (o *ownOffsets) add(offset uint64) {
	if i, found := slices.BinarySearch(*o, offset); !found {
		*o = slices.Insert(*o, i, offset)
	}
	if len(*o) > maxOwnOffsets {
		*o = slices.Delete(*o, 0, 1)
	}
}

func (o *ownOffsets) has(offset uint64) bool {
	_, found := slices.BinarySearch(*o, offset)
	return found
}

// after returns the offset up to which there is nothing but own messages after this one,
// and forgets those up to it.
func (o *ownOffsets) after(offset uint64) uint64 {
	n := 0
	for n < len(*o) && (*o)[n] <= offset+1 {
		offset = max(offset, (*o)[n])
		n++
	}
	*o = slices.Delete(*o, 0, n)
	return offset
}
