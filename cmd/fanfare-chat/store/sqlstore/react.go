package sqlstore

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// react adds or removes a reaction of a user to a message.
func (b *batch) react(c *store.Change) (store.Message, bool, error) {
	m, err := b.message(c)
	if err != nil {
		return m, false, err
	}
	if m.Deleted {
		return m, false, fmt.Errorf("%w: message %d is deleted", store.ErrNotFound, c.Number)
	}
	reactions, full := m.Reactions.With(c.Text, c.User, c.Op == store.React)
	switch {
	case full:
		return m, false, fmt.Errorf("%w: message %d has %d reactions", store.ErrForbidden, c.Number, store.MaxReactions)
	case reactions == m.Reactions:
		return m, true, nil
	}
	m.Reactions = reactions
	return m, false, b.saveRevision(&m)
}
