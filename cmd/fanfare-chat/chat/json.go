package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

// The JSON of responses and events. Times are in milliseconds since 1970.

type userJSON struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Moderator bool   `json:"moderator"`
}

// personJSON is a user as other users see them.
type personJSON struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Key  string `json:"key,omitempty"` // in lists: the next page is requested with it
}

type roomJSON struct {
	ID    int64       `json:"id"`
	Kind  string      `json:"kind"`
	Name  string      `json:"name"`
	With  *personJSON `json:"with,omitempty"`
	Owner int64       `json:"owner"`
	Last  int64       `json:"last"`
	Read  int64       `json:"read"`
	Rev   int64       `json:"rev"`
}

type messageJSON struct {
	Number  int64      `json:"number"`
	Rev     int64      `json:"rev"`
	ID      string     `json:"id"`
	By      personJSON `json:"by"`
	Text    string     `json:"text"`
	Sent    int64      `json:"sent"`
	Edited  int64      `json:"edited,omitempty"`
	Deleted bool       `json:"deleted,omitempty"`

	Reactions []reactionJSON `json:"reactions,omitempty"`
}

var kinds = map[store.Kind]string{store.Open: "open", store.Private: "private", store.Direct: "direct"}

func newUserJSON(u store.User) userJSON { return userJSON{u.ID, u.Name, u.Moderator} }

func newRoomJSON(p store.Membership) roomJSON {
	r := roomJSON{ID: p.ID, Kind: kinds[p.Kind], Name: p.Name, Owner: p.Owner, Last: p.Last, Read: p.Read, Rev: p.Rev}
	if p.Kind == store.Direct {
		r.With = &personJSON{ID: p.With.ID, Name: p.With.Name}
	}
	return r
}

func newMessageJSON(m store.Message) messageJSON {
	s := messageJSON{
		Number: m.Number, Rev: m.Rev, ID: m.ClientID, By: personJSON{ID: m.Author, Name: m.Name},
		Text: m.Text, Sent: m.Sent.UnixMilli(), Deleted: m.Deleted,
		Reactions: mapSlice(m.Reactions.All(), newReactionJSON),
	}
	if !m.Edited.IsZero() {
		s.Edited = m.Edited.UnixMilli()
	}
	return s
}

// mapSlice converts each element of a list. An empty list becomes [] and not null.
func mapSlice[T, J any](list []T, say func(T) J) []J {
	said := make([]J, 0, len(list))
	for _, one := range list {
		said = append(said, say(one))
	}
	return said
}

// MaxText is the longest text of a message, in bytes.
const MaxText = 8000

var errTooLong = errors.New("the message is too long")

// lines converts all line ends to \n.
var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// cleanText returns a text in the form in which it is stored, without surrounding white space. It keeps
// characters that change the writing direction, because some languages need them; a page must isolate
// the text. The error wraps errTooLong if the text is too long. Its text is meant for the user.
func cleanText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("the message is not UTF-8")
	}
	s = strings.TrimSpace(lines.Replace(s))
	switch {
	case !text.Visible(s):
		return "", errors.New("the message is empty")
	case len(s) > MaxText:
		return "", fmt.Errorf("%w: it has %d bytes, and may have at most %d", errTooLong, len(s), MaxText)
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return "", fmt.Errorf("the message contains the control character %U; the only control characters allowed are newline and tab", r)
		}
	}
	return s, nil
}

// maxClient is the longest ID that a client may give a message, in bytes.
const maxClient = 64

func checkClient(id string) error {
	switch {
	case id == "":
		return errors.New(`the "id" of the message is empty; the client must choose one, so that a message sent twice is stored once`)
	case len(id) > maxClient:
		return fmt.Errorf(`the "id" of the message is too long: it has %d bytes, and may have at most %d`, len(id), maxClient)
	case strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New(`the "id" of the message has characters that are not printable`)
	}
	return nil
}
