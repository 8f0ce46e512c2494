package webhook

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// kind is what an event is about.
type kind uint8

const (
	occupied kind = iota
	vacated
	connected
	disconnected
	joined
	left
	kinds
)

// Types are the types of events.
var Types = [kinds]string{"topic.occupied", "topic.vacated", "client.connected", "client.disconnected", "presence.joined", "presence.left"}

// event is what happened. The fields are those of the JSON.
type event struct {
	ID       string `json:"id"`
	Sequence uint64 `json:"sequence"`
	Time     int64  `json:"time"` // when it happened, in milliseconds since 1970
	Type     string `json:"type"`

	Topic   string      `json:"topic,omitempty"`
	Person  *hub.Person `json:"person,omitempty"`
	Client  string      `json:"client,omitempty"`
	User    string      `json:"user,omitempty"`
	Address string      `json:"address,omitempty"`
	Path    string      `json:"path,omitempty"`
	Code    int         `json:"code,omitempty"`

	kind kind
}

// newEvent returns an event that happens now.
func newEvent(k kind) *event { return &event{kind: k, Type: Types[k], Time: time.Now().UnixMilli()} }

// encode gives an event its place, and returns its JSON.
func (e *event) encode(run string, sequence uint64) []byte {
	e.ID, e.Sequence = run+"-"+strconv.FormatUint(sequence, 10), sequence
	b, err := json.Marshal(e)
	if err != nil { // the data of a person is the only member that can be wrong, and the hub has checked it
		e.Person = &hub.Person{ID: e.Person.ID, Anonymous: e.Person.Anonymous}
		b, _ = json.Marshal(e)
	}
	return b
}

// Client is a connection.
type Client struct {
	ID      string // as others see it
	User    string // "" for none
	Address netip.Addr
	Path    string // of the handshake
}

// Occupied reports that a topic has got its first subscriber, or lost its last one.
func (w *Webhooks) Occupied(topic string, is bool) {
	k := vacated
	if is {
		k = occupied
	}
	e := newEvent(k)
	e.Topic = topic
	w.add(e)
}

// Presence reports that people have joined or left a topic. The slices and what is in them must not change.
func (w *Webhooks) Presence(topic string, came, went []hub.Person) {
	for i := range came {
		w.addPerson(joined, topic, &came[i])
	}
	for i := range went {
		w.addPerson(left, topic, &went[i])
	}
}

func (w *Webhooks) addPerson(k kind, topic string, who *hub.Person) {
	e := newEvent(k)
	e.Topic, e.Person = topic, who
	w.add(e)
}

// Connected reports that a client has connected.
func (w *Webhooks) Connected(c *Client) { w.add(c.event(connected)) }

// Disconnected reports that the connection of a client has ended, with the code of its close frame.
func (w *Webhooks) Disconnected(c *Client, code int) {
	e := c.event(disconnected)
	e.Code = code
	w.add(e)
}

func (c *Client) event(k kind) *event {
	e := newEvent(k)
	e.Client, e.User, e.Path = c.ID, c.User, c.Path
	if c.Address.IsValid() {
		e.Address = c.Address.String()
	}
	return e
}
