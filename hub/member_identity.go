package hub

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// Identity describes a [Member].
type Identity struct {
	User string          // "" if anonymous; for others see [Hub.NewMember]
	Data json.RawMessage // sent to others by presence; JSON, which must not be modified
	// Owner is the owner of the topics that the member creates; for an anonymous client its
	// address is best, so that many connections get no more than one. The connection is a part
	// of that owner. If Owner is "", the user is the owner, or this connection if there is no
	// user. See Options.MaxTopicsPerOwner.
	Owner string
	// Value belongs to the program: Member.Value returns it, and the hub does not use it.
	Value any
	// Expires is the time at which the identity is no longer valid; zero for never. The hub does
	// not use it. Package session tells it to clients; the program ends their connections.
	Expires time.Time
}

// NewMember returns a member for a connection. Each user has a topic, whose name is @ and the
// user's name, and whose subscribers are all connections of the user. If id has a user, the
// member is subscribed to that topic as o says, so publishing to it sends to the user's
// connections at all nodes, and [Hub.Disconnect] closes all of them. The name of a user follows
// the rules for topics, see [CheckUser]; o is not used if there is no user. NewMember fails if
// the data is not JSON or too long, or if the subscription fails.
func (h *Hub) NewMember(to Subscriber, id Identity, o SubscribeOptions) (*Member, error) {
	if len(id.Data) > 0 {
		if err := strictjson.Check(id.Data); err != nil { // everybody in a topic gets the data
			return nil, fmt.Errorf("hub: the data of a member: %w", err)
		}
	}
	if n, most := len(id.Data), h.opts.MaxPresenceData; n > most {
		return nil, fmt.Errorf("hub: the data of a member has %d bytes; the limit is %d", n, most)
	}
	m := &Member{hub: h, to: to, user: id.User, data: string(id.Data), num: h.members.Add(1)}
	m.SetValue(id.Value)
	if key := id.Owner; key != "" {
		m.key = &key
	}
	if id.User == "" {
		h.present.Add(1)
		return m, nil
	}
	if err := CheckUser(id.User); err != nil {
		return nil, err
	}
	m.subs = []*Subscription{new(Subscription)}
	if _, err := h.Subscribe(UserTopic(id.User), m.subs[0], m, o); err != nil {
		return nil, err
	}
	h.present.Add(1)
	return m, nil
}
