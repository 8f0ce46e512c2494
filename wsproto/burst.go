package wsproto

import "github.com/fanfare-ws/fanfare/netpoll"

// BurstSize is how many connections a [Burst] holds.
const BurstSize = netpoll.BurstSize

// Burst sends to many connections what SendPrepared sends to one, in less processor time:
// see [netpoll.Burst]. The zero value is an empty burst. One goroutine at a time may use it.
type Burst struct {
	io       netpoll.Burst
	n        int
	conns    [BurstSize]*Conn
	prepared [BurstSize]*Prepared
	apart    [BurstSize]bool // not in io
	outcomes [BurstSize]Outcome
}

// Add puts p for c into the burst, and reports whether that is full. Then Send comes next.
// c is to be in a burst once.
func (b *Burst) Add(c *Conn, p *Prepared) (full bool) {
	i := b.n
	b.conns[i], b.prepared[i] = c, p
	if buf := c.framesOf(p); buf != nil {
		b.io.Add(&c.io, buf)
	} else {
		b.apart[i] = true
	}
	b.n++
	return b.n == BurstSize
}

// Send sends what was added, and empties the burst. The outcomes, in the order of Add,
// are valid until the next call of Send.
func (b *Burst) Send() []Outcome {
	wrote := b.io.Write()
	for i, c := range b.conns[:b.n] {
		if b.apart[i] {
			b.outcomes[i] = c.SendPrepared(b.prepared[i])
			continue
		}
		if b.outcomes[i], wrote = wrote[0], wrote[1:]; b.outcomes[i].OK() {
			c.io.CountOut(b.prepared[i].messages)
		}
	}
	sent := b.outcomes[:b.n]
	clear(b.conns[:b.n])
	clear(b.prepared[:b.n])
	clear(b.apart[:b.n])
	b.n = 0
	return sent
}
