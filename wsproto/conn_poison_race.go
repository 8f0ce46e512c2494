//go:build race

package wsproto

import "bytes"

// poisonByte is what a payload consists of after OnMessage has returned, in programs that are built with the race detector. A
// handler that keeps its payload reads nonsense at once, not only when the next message overwrites it, and one that reads it
// on another goroutine is reported as a race.
const poisonByte = 0xdb

const poisons = true

func poison(payload []byte) {
	if len(payload) > 0 {
		copy(payload, bytes.Repeat([]byte{poisonByte}, len(payload)))
	}
}
