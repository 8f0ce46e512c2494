package hub

import "fmt"

// Cause says why the hub closes a subscriber, or ends a subscription.
type Cause uint8

const (
	// Disconnected means that the program asked for it, with [Hub.Disconnect].
	Disconnected Cause = iota
	// TooSlow means that the subscriber lagged behind by more than its topic's limit. It may
	// reconnect, and resume.
	TooSlow
	// ShuttingDown is the cause for all subscribers in [Hub.Shutdown].
	ShuttingDown
	// MessagesLost means that messages of the topic were lost between servers. Subscribers may
	// reconnect; when they resume at their position they learn what they have missed.
	MessagesLost
)

func (c Cause) String() string {
	switch c {
	case Disconnected:
		return "disconnected"
	case TooSlow:
		return "too slow"
	case ShuttingDown:
		return "shutting down"
	case MessagesLost:
		return "messages lost"
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// CloseReason says why a subscriber is closed, or why a subscription has ended.
type CloseReason struct {
	Cause Cause
	// Code is the program's own code, for the cause Disconnected. The adapter of a protocol
	// defines what it means: for WebSockets it is a close code. 0 means the protocol's default.
	Code int
	Text string // for people to read
}
