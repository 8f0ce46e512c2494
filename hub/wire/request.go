package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// Protocol is the name of the subprotocol.
const Protocol = "fanfare.v1"

// What a request can ask for: Request.Do.
const (
	Subscribe   = "subscribe"
	Unsubscribe = "unsubscribe"
	Publish     = "publish"
	History     = "history"
	Presence    = "presence"
	Ping        = "ping"
)

const (
	// MaxID is the largest id of a request: what JavaScript's numbers hold exactly.
	MaxID = 1<<53 - 1
	// MaxKey is the longest key of a message, in bytes.
	MaxKey = 255
	// MaxHistory is the most messages that a reply has.
	MaxHistory = 1000
	// DefaultHistory is how many it has if the request states no limit.
	DefaultHistory = 100
)

// Request is what a client asks for. What is zero is not sent.
type Request struct {
	ID       uint64          `json:"id,omitempty"`
	Do       string          `json:"do"`
	Topic    string          `json:"topic,omitempty"`
	After    *hub.Position   `json:"after,omitempty"`
	Last     int             `json:"last,omitempty"`
	Limit    int             `json:"limit,omitempty"`
	Presence bool            `json:"presence,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Key      string          `json:"key,omitempty"`
	Echo     bool            `json:"echo,omitempty"`
}

// Append appends the request as it is sent. It fails if Data is not JSON.
func (r *Request) Append(b []byte) ([]byte, error) { return appendJSON(b, r) }

// appendJSON is json.Marshal, but that it leaves < > and & as they are.
func appendJSON(b []byte, v any) ([]byte, error) {
	w := bytes.NewBuffer(b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return b, fmt.Errorf("wire: %w", err)
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), nil
}

// ErrNoObject is the error of what is no JSON object at all.
var ErrNoObject = errors.New("wire: a request is a JSON object")

// raw is a Request as it comes: all that it has can be looked at, even if one member
// is wrong, so that the error has the id.
type raw struct {
	ID       *int64          `json:"id"`
	Do       string          `json:"do"`
	Topic    string          `json:"topic"`
	After    string          `json:"after"`
	Last     int             `json:"last"`
	Limit    int             `json:"limit"`
	Presence bool            `json:"presence"`
	Data     json.RawMessage `json:"data"`
	Key      string          `json:"key"`
	Echo     bool            `json:"echo"`
}

// ParseRequest reads a request, which is UTF-8. The error is ErrNoObject, or an
// *Error: then the request's ID is valid, 0 if it has none. The result does not refer
// to b.
func ParseRequest(b []byte) (Request, error) {
	if b = bytes.TrimLeft(b, " \t\r\n"); len(b) == 0 || b[0] != '{' || !json.Valid(b) {
		return Request{}, ErrNoObject
	}
	var w raw
	err := json.Unmarshal(b, &w)
	r := Request{
		Do: w.Do, Topic: w.Topic, Last: w.Last, Limit: w.Limit,
		Presence: w.Presence, Data: w.Data, Key: w.Key, Echo: w.Echo,
	}
	if w.ID != nil && *w.ID >= 1 && *w.ID <= MaxID {
		r.ID = uint64(*w.ID)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return r, badRequest("%q is a JSON %s; it has to be %s", wrong.Field, wrong.Value, kind(wrong.Field))
	} else if err != nil {
		return r, badRequest("%v", err)
	}
	if w.ID != nil && r.ID == 0 {
		return r, badRequest("the id is %d; it has to be %s", *w.ID, kind("id"))
	}
	if w.After != "" {
		p, err := hub.ParsePosition(w.After)
		if err != nil {
			return r, badRequest(`"after": %s`, Plain(err))
		}
		r.After = &p
	}
	return r, r.check()
}

// kind says what a member has to be.
func kind(field string) string {
	switch field {
	case "id":
		return fmt.Sprintf("a whole number from 1 to %d", int64(MaxID))
	case "last", "limit":
		return "a whole number that is not negative"
	case "presence", "echo":
		return "true or false"
	}
	return "a string"
}

// check reports what no server would accept.
func (r *Request) check() error {
	switch {
	case r.Do == "":
		return badRequest(`there is no "do"; it says what to do: %s`, strings.Join(requests[:], ", "))
	case r.Last < 0 || r.Limit < 0:
		return badRequest(`"last" is %d and "limit" %d; they must not be negative`, r.Last, r.Limit)
	case r.After != nil && r.Last > 0:
		return badRequest(`there is "after" as well as "last"; one of them can say where to begin`)
	case len(r.Key) > MaxKey:
		return badRequest("the key has %d bytes; at most %d are allowed", len(r.Key), MaxKey)
	}
	return nil
}

var requests = [...]string{Subscribe, Unsubscribe, Publish, History, Presence, Ping}

// UnknownRequest is the error for a Request.Do that is none of them.
func UnknownRequest(do string) *Error {
	if len(do) > 40 {
		do = do[:40] + "..."
	}
	return Errorf(Unknown, "there is no request %q; there are %s", do, strings.Join(requests[:], ", "))
}
