package hub

import "encoding/json"

// EventKind says what an [Event] is about.
type EventKind uint8

const (
	// PresenceEvent says that people have joined or left a topic.
	PresenceEvent EventKind = iota
	// DropEvent says that a subscriber did not get messages of a topic.
	DropEvent
	// EndEvent says that a subscription has ended.
	EndEvent
)

// Event is what a topic tells its subscribers besides messages.
type Event struct {
	Kind  EventKind
	Topic string

	// Joined and Left are set for a PresenceEvent; one of the two may be empty. Joined may
	// contain a person who is present already, with new Data. In Left no person has Data.
	Joined, Left []Person
	// Messages is the number of dropped messages of a DropEvent.
	Messages int64
	// Reason is set for an EndEvent.
	Reason CloseReason
}

// Person is somebody who takes part in a topic: a user with one or more connections, or an
// anonymous member.
type Person struct {
	ID        string          `json:"id"`                  // the user's name, or the member's ID
	Anonymous bool            `json:"anonymous,omitempty"` // ID is that of a member
	Data      json.RawMessage `json:"data,omitempty"`      // Identity.Data of the connection with which the person came
	// Connections is set by Hub.Presence only. It is 0 while the person is away but has not been
	// announced as left.
	Connections int `json:"connections,omitempty"`
}

// peopleSize returns the approximate size of a message about people, in bytes.
func peopleSize(all []Person) (bytes int) {
	for i := range all {
		bytes += len(all[i].ID) + len(all[i].Data) + 32
	}
	return bytes
}
