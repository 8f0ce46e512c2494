package hub

import (
	"fmt"
)

// CheckUser reports what is wrong with the name of a user. The rules are those for topics (see
// [CheckName]), but the name has one byte less: 254 at most.
func CheckUser(user string) error {
	if err := CheckName(UserTopic(user)); err != nil {
		return fmt.Errorf("hub: %q cannot be the name of a user, which follows the rules for topics: %w", user, err)
	}
	return nil
}

// User returns what [Hub.Topic] returns for the user's topic. Its subscribers are the user's
// connections.
func (h *Hub) User(user string) (TopicStats, bool) { return h.Topic(UserTopic(user)) }
