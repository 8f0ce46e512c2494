//go:build linux

package netpoll

// Outcome is the result of a write.
type Outcome uint8

const (
	// Sent means that the kernel has all bytes.
	Sent Outcome = iota
	// Queued means that bytes are pending, and will be sent after all earlier ones.
	Queued
	// Full means that the write was refused as a whole, because more than Options.MaxPending
	// bytes would be pending.
	Full
	// Closed means that the write was refused, because the connection is closed or about to
	// be.
	Closed
)

// OK reports whether the write was accepted: Sent or Queued.
func (o Outcome) OK() bool { return o <= Queued }

func (o Outcome) String() string {
	switch o {
	case Sent:
		return "sent"
	case Queued:
		return "queued"
	case Full:
		return "full"
	case Closed:
		return "closed"
	}
	return "unknown"
}
