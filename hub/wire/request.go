package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
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
type raw struct{ id, do, topic, after, last, limit, presence, data, key, echo strictjson.Value }

// member returns the place of a member, nil if the protocol does not have it.
func (w *raw) member(name []byte) *strictjson.Value {
	switch string(name) {
	case "id":
		return &w.id
	case "do":
		return &w.do
	case "topic":
		return &w.topic
	case "after":
		return &w.after
	case "last":
		return &w.last
	case "limit":
		return &w.limit
	case "presence":
		return &w.presence
	case "data":
		return &w.data
	case "key":
		return &w.key
	case "echo":
		return &w.echo
	}
	return nil
}

// ParseRequest reads a request. The error is ErrNoObject, or an *Error: then the
// request's ID is valid, 0 if it has none. The result does not refer to b; its Data is
// compact.
func ParseRequest(b []byte) (Request, error) {
	var w raw
	err := strictjson.Object(b, func(name []byte, v strictjson.Value) {
		if p := w.member(name); p != nil {
			*p = v
		}
	})
	var deep *strictjson.DepthError
	if err != nil && !errors.As(err, &deep) {
		return Request{}, ErrNoObject
	}
	var f fields
	r := Request{ID: f.id(w.id)}
	if deep != nil {
		return r, badRequest("%v", deep)
	}
	r.Do, r.Topic, r.Key = f.text("do", w.do), f.text("topic", w.topic), f.text("key", w.key)
	r.Last, r.Limit = f.count("last", w.last), f.count("limit", w.limit)
	r.Presence, r.Echo = f.flag("presence", w.presence), f.flag("echo", w.echo)
	r.After = f.position("after", w.after)
	if w.data.Text != nil {
		r.Data = w.data.AppendCompact(make([]byte, 0, len(w.data.Text)))
	}
	if f.err != nil {
		return r, f.err
	}
	return r, r.check()
}

// check reports what no server would accept.
func (r *Request) check() error {
	switch {
	case r.Do == "":
		return badRequest(`there is no "do"; it says what to do: %s`, strings.Join(requests[:], ", "))
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
