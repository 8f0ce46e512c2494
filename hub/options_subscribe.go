package hub

// Start says where in a topic a subscription begins. The zero value begins with the next
// message.
type Start struct {
	After *Position // after this position, so that nothing is missed since then
	Last  int       // with the last messages of the topic's history, if After is nil
}

// SubscribeOptions configure a subscription. Encoding is required.
type SubscribeOptions struct {
	Start
	// Owner owns the topic if it begins with this subscription: see Options.MaxTopicsPerOwner.
	// For a [Member] its Identity counts instead.
	Owner string
	// Encoding turns messages and events into bytes.
	Encoding Encoding
	// Presence, if not nil, asks Member.Subscribe for the people in the topic, which must track
	// presence. Subscribe sets it to the sorted list, which must not be modified. From then on
	// the connection gets events, as Encoding.EncodeEvent returns them, about people that join
	// and leave, the member itself included. The list and the events fit together: each change
	// is in one of them.
	Presence *[]Person
	// Paused has the subscription deliver nothing until Resume is called, so that the subscriber
	// can first be told that it has begun. Messages that are published meanwhile wait as for a
	// slow subscriber: the topic's limit applies.
	Paused bool
}
