package client

import "slices"

// ownOffsets are the offsets, beyond the subscription's position, of messages that the client
// itself has published to the topic and so does not receive. The position moves past them.
// Otherwise the client would receive them when it resumes, because the server cannot tell then
// which client published them. It does receive a message whose offset no reply contained. The
// slice is sorted.
type ownOffsets []uint64

// maxOwnOffsets bounds the list, which grows only while messages before its offsets are missing
// because the topic's policy has dropped them.
const maxOwnOffsets = 1000

// add inserts an offset. Offsets arrive in order, except for those of messages published again.
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

// after returns the last offset of the uninterrupted run of own messages that follows offset, and
// removes the offsets up to it.
func (o *ownOffsets) after(offset uint64) uint64 {
	n := 0
	for n < len(*o) && (*o)[n] <= offset+1 {
		offset = max(offset, (*o)[n])
		n++
	}
	*o = slices.Delete(*o, 0, n)
	return offset
}
