package sqlstore

import (
	"context"
	"math"
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

func (s *Store) MessagesBefore(ctx context.Context, room, number int64, limit int) ([]store.Message, bool, error) {
	if number == 0 {
		number = math.MaxInt64
	}
	messages, more, err := queryPage(s.reader(ctx), scanMessage, limit, messagesBefore, room, number)
	slices.Reverse(messages)
	return messages, more, err
}

func (s *Store) MessagesChangedAfter(ctx context.Context, room, rev int64, limit int) ([]store.Message, bool, error) {
	return queryPage(s.reader(ctx), scanMessage, limit, messagesChanged, room, rev)
}

func (s *Store) Search(ctx context.Context, room int64, query string, below int64, limit int) ([]store.Message, bool, error) {
	words := queryWords(room, query)
	if len(words) == 0 {
		return nil, false, nil
	}
	first := entry(room, 0)
	end := entry(room+1, 0)
	if below != 0 {
		end = entry(room, min(below, maxNumber))
	}
	return queryPage(s.reader(ctx), scanMessage, limit, messagesFound, room, first, end, s.dialect.match(words))
}

// maxNumber is the largest message number that fits into an index entry.
const maxNumber = 1<<32 - 1

// entry returns the row ID of a message in the search index: see doc.go.
func entry(room, number int64) int64 { return room<<32 + number }

func scanMessage(r row) (m store.Message, err error) {
	var sent, edited int64
	err = r.Scan(&m.Room, &m.Number, &m.Rev, &m.Author, &m.Name, &m.ClientID, &m.Text, &sent, &edited, &m.Deleted, &m.Reactions)
	m.Sent, m.Edited = fromMillis(sent), fromMillis(edited)
	return m, err
}
