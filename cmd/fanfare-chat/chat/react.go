package chat

import (
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// reactionSigns are the possible reactions to a message. They are few, so that reactions cannot be used
// to send text.
var reactionSigns = []string{"👍", "❤️", "😂", "🎉", "😮", "😢", "👀", "🙏"}

// reaction converts a request with "react" or "unreact" to a Change.
func (q *request) reaction() (store.Change, error) {
	ch := store.Change{Op: store.React}
	number := q.React
	if number == nil {
		ch.Op, number = store.Unreact, q.Unreact
	}
	switch {
	case number == nil || q.React != nil && q.Unreact != nil || q.Sign == nil || q.ID != nil || q.Text != nil || q.Edit != nil || q.Delete != nil || q.Typing != nil:
		return ch, wire.Errorf(wire.BadRequest, `the data must be {"react":NUMBER,"sign":SIGN} or {"unreact":NUMBER,"sign":SIGN}`)
	case !slices.Contains(reactionSigns, *q.Sign):
		return ch, wire.Errorf(wire.BadRequest, "the sign is %q; it must be one of %s", *q.Sign, strings.Join(reactionSigns, " "))
	}
	ch.Number, ch.Text = *number, *q.Sign
	return ch, nil
}

// reactionJSON is a reaction to a message.
type reactionJSON struct {
	Sign string  `json:"sign"`
	By   []int64 `json:"by"` // users
}

func newReactionJSON(r store.Reaction) reactionJSON { return reactionJSON{r.Sign, r.By} }
