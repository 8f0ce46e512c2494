package hub

import (
	"fmt"
	"strings"
)

// userMark begins the reserved names of users' topics. No pattern matches them, and a member
// cannot subscribe or publish to the topic of another user.
const userMark = "@"

// UserTopic returns the name of a user's topic.
func UserTopic(user string) string { return userMark + user }

// CheckUser reports what is wrong with the name of a user. The rules are those for topics (see
// [CheckName]), but the name has one byte less: 254 at most.
func CheckUser(user string) error {
	if err := CheckName(UserTopic(user)); err != nil {
		return fmt.Errorf("hub: %q cannot be the name of a user, which follows the rules for topics: %w", user, err)
	}
	return nil
}

// IsUserTopic reports whether a name or pattern begins as the names of users' topics do.
func IsUserTopic(name string) bool { return strings.HasPrefix(name, userMark) }

// User returns what [Hub.Topic] returns for the user's topic. Its subscribers are the user's
// connections.
func (h *Hub) User(user string) (TopicStats, bool) { return h.Topic(UserTopic(user)) }
