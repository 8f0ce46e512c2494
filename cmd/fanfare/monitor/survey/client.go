package survey

import "time"

// Client is the connection of a WebSocket. How long it is connected is not known: nothing is kept for that.
type Client struct {
	ID          string  `json:"id"`
	Address     string  `json:"address"`        // "" if it is connected to a Unix socket
	User        string  `json:"user,omitempty"` // "" if it is anonymous, or connected to /echo
	Path        string  `json:"path"`           // "" if it is not known yet
	Topics      int     `json:"topics"`         // subscriptions
	Pending     int     `json:"pending"`        // bytes that wait for the kernel
	Unacked     int     `json:"unacked"`        // bytes that wait in the kernel for the client
	Idle        float64 `json:"idle"`           // seconds since it has sent something, a pong included
	BytesIn     uint64  `json:"bytes_in"`
	BytesOut    uint64  `json:"bytes_out"`
	RoundTrip   float64 `json:"round_trip"` // seconds, smoothed
	Retransmits uint32  `json:"retransmits"`
	Subprotocol string  `json:"subprotocol,omitempty"`
	Compressed  bool    `json:"compressed"`
	TLS         bool    `json:"tls"`
}

// Subscription is a client's place in a topic.
type Subscription struct {
	Topic string `json:"topic"`
	// Behind are messages that it has not got yet; nil if that is not known: see hub.Subscription.Behind.
	Behind  *int64 `json:"behind,omitempty"`
	Dropped int64  `json:"dropped"` // messages that it has lost
}

// ClientDetails are a client with the subscriptions that are most behind.
type ClientDetails struct {
	Time time.Time `json:"time"`
	Client
	Subscriptions []Subscription `json:"subscriptions"`
}

// Clients are clients, those with most bytes pending first.
type Clients struct {
	Time    time.Time `json:"time"`  // of the scan
	Total   int       `json:"total"` // that match
	Clients []Client  `json:"clients"`
}

// Subscriber is one of a topic's.
type Subscriber struct {
	Client
	Behind  int64 `json:"behind"`
	Dropped int64 `json:"dropped"`
}

// TopicDetails are a topic with its slowest subscribers.
type TopicDetails struct {
	Time time.Time `json:"time"`
	Topic
	Slowest []Subscriber `json:"slowest"` // the most behind first; none that is up to date
}
