package hub

import "fmt"

// Cause says why the hub closes a subscriber, or ends a subscription.
type Cause uint8

const (
	// Disconnected is what the program asked for, with [Hub.Disconnect].
	Disconnected Cause = iota
	// TooSlow is for a subscriber that does not take what it is sent, beyond its topic's
	// limit. It may come back, and resume.
	TooSlow
	// ShuttingDown is for all subscribers in [Hub.Shutdown].
	ShuttingDown
	// MessagesLost is for the subscribers of a topic of which messages were lost between
	// servers. They may come back, and find out with their position what they have missed.
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

// CloseReason is why a subscriber is closed, or a subscription has ended.
type CloseReason struct {
	Cause Cause
	// Code is the program's own, for Disconnected: the adapter of a protocol says what it
	// means there, for WebSockets a close code. 0 stands for the protocol's default.
	Code int
	Text string // for people
}
