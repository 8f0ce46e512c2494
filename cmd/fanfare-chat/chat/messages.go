package chat

import (
	"net/http"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

const (
	defaultMessages = 50 // in a page, if the request has no limit
	maxMessages     = 200
	defaultChanges  = 200
	maxChanges      = 1000
)

func (k *call) answerMessages(list []store.Message, more bool, err error) error {
	if err != nil {
		return err
	}
	return k.answer(http.StatusOK, map[string]any{"messages": mapSlice(list, newMessageJSON), "more": more})
}

// pageParams returns the parameters of a request for messages: the room, of which the caller must be a
// member, a number, and a limit.
func (c *Chat) pageParams(k *call, name string, otherwise, most int64) (room, n int64, limit int, err error) {
	if n, err = k.number(name, 0); err != nil {
		return 0, 0, 0, err
	}
	if limit, err = k.limit(otherwise, most); err != nil {
		return 0, 0, 0, err
	}
	room, err = c.memberRoom(k)
	return room, n, limit, err
}

func (c *Chat) messages(k *call) error {
	room, before, limit, err := c.pageParams(k, "before", defaultMessages, maxMessages)
	if err != nil {
		return err
	}
	return k.answerMessages(c.store.MessagesBefore(k.Context(), room, before, limit))
}

func (c *Chat) changes(k *call) error {
	room, after, limit, err := c.pageParams(k, "after", defaultChanges, maxChanges)
	if err != nil {
		return err
	}
	return k.answerMessages(c.store.MessagesChangedAfter(k.Context(), room, after, limit))
}

func (c *Chat) search(k *call) error {
	room, below, limit, err := c.pageParams(k, "below", defaultMessages, maxMessages)
	if err != nil {
		return err
	}
	q := k.URL.Query().Get("q")
	if len(q) > maxQuery {
		return errorf(http.StatusBadRequest, "the query is too long: it has %d bytes, and may have at most %d", len(q), maxQuery)
	}
	return k.answerMessages(c.store.Search(k.Context(), room, q, below, limit))
}

// maxQuery is the longest search query, in bytes.
const maxQuery = 500

// read records how far the caller has read, and notifies their other pages.
func (c *Chat) read(k *call) error {
	room, err := k.room()
	if err != nil {
		return err
	}
	var q struct {
		Number int64 `json:"number"`
	}
	if err := k.readJSON(&q); err != nil {
		return err
	}
	read, err := c.store.MarkRead(k.Context(), room, k.user.ID, q.Number)
	if err != nil {
		return err
	}
	c.notifyUser(k.user.ID, map[string]any{"read": map[string]int64{"room": room, "number": read}})
	return k.done()
}
