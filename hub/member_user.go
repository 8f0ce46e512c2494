package hub

import (
	"fmt"
	"strings"
)

// userMark begins the names of topics that are reserved: each is that of a user. No
// pattern matches them, and members neither subscribe nor publish to those of others.
const userMark = "@"

// UserTopic returns the name of a user's topic.
func UserTopic(user string) string { return userMark + user }

// CheckUser reports what is wrong with the name of a user. It is as the name of a
// topic, see [CheckName], but for one byte less.
func CheckUser(user string) error {
	if err := CheckName(UserTopic(user)); err != nil {
		return fmt.Errorf("hub: %q cannot be the name of a user, which follows the rules for topics: %w", user, err)
	}
	return nil
}

// IsUserTopic reports whether a name, or a pattern, is or would be one of users.
func IsUserTopic(name string) bool { return strings.HasPrefix(name, userMark) }

// User returns what [Hub.Topic] says about a user's topic: its subscribers are the
// user's connections; and whether there is any.
func (h *Hub) User(user string) (TopicStats, bool) { return h.Topic(UserTopic(user)) }
