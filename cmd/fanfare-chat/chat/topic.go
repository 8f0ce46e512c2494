package chat

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// The topics of a room: its messages, and its presence. In addition the hub has a topic for each user:
// see userName.
const (
	roomPrefix = "room."
	herePrefix = "here."
)

func roomTopic(room int64) string { return roomPrefix + number(room) }

func hereTopic(room int64) string { return herePrefix + number(room) }

// userName returns the name of a user in the hub.
func userName(user int64) string { return "u" + number(user) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

// parseRoom returns the room in a string that consists of the prefix and the room's number.
func parseRoom(s, prefix string) (room int64, ok bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return 0, false
	}
	room, err := strconv.ParseInt(digits, 10, 64)
	return room, err == nil && room > 0 && number(room) == digits // each room has one name only
}

// A client that reconnects soon resumes from the history in the hub. Other clients request missed
// messages from the API.
var (
	roomOptions = &hub.TopicOptions{
		Limit:   hub.Limit{Bytes: maxPending},
		History: hub.History{Messages: 1000, Bytes: 4 << 20, Age: time.Hour},
	}
	hereOptions = &hub.TopicOptions{Presence: true}
)

// TopicOptions is hub.Options.Topic of a chat, which the broker of a cluster needs, too.
func TopicOptions(name string) *hub.TopicOptions {
	switch {
	case strings.HasPrefix(name, roomPrefix):
		return roomOptions
	case strings.HasPrefix(name, herePrefix):
		return hereOptions
	}
	return nil
}

// jsonMessage returns a message with v in JSON.
func jsonMessage(v any) hub.Message {
	b, err := encode(v)
	if err != nil {
		panic(err) // a bug: events consist of numbers and strings
	}
	return hub.Message{Data: b, Kind: hub.JSON}
}

// encode is json.Marshal without escaping < > and &.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}

// notifyUser sends an event to all connections of a user.
func (c *Chat) notifyUser(user int64, v any) {
	c.send(hub.UserTopic(userName(user)), jsonMessage(v), func(hub.Receipt) {})
}

// notifyRoomsChanged tells all pages of a user to request their list of rooms again.
func (c *Chat) notifyRoomsChanged(user int64) { c.notifyUser(user, map[string]bool{"rooms": true}) }
