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

// TokenProtocol begins an offer that a client makes beside [Protocol] to send a token with the handshake. The server never
// chooses it.
const TokenProtocol = "fanfare.token."

// Values of [Request].Do.
const (
	Subscribe   = "subscribe"
	Unsubscribe = "unsubscribe"
	Publish     = "publish"
	History     = "history"
	Presence    = "presence"
	Ping        = "ping"
	Auth        = "auth"
)

const (
	// maxID is the largest id of a request: JavaScript's numbers represent integers up to it
	// exactly.
	maxID = 1<<53 - 1
	// MaxKey is the longest key of a message, in bytes.
	MaxKey = 255
	// MaxToken is the longest token of an auth request, in bytes.
	MaxToken = 8 << 10
	// MaxHistory is the largest number of messages in a reply.
	MaxHistory = 1000
	// DefaultHistory is the number of messages in a reply if the request has no limit.
	DefaultHistory = 100
)

// Request is a request of a client. Zero fields are omitted from the wire format.
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
	Token    string          `json:"token,omitempty"` // a secret

	// IdempotencyKey names a publish request: another one with the same key publishes nothing, and gets the same reply.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

// Append appends the request in its wire format. It fails if Data is not JSON.
func (r *Request) Append(b []byte) ([]byte, error) { return appendJSON(b, r) }

// appendJSON is json.Marshal without escaping < > and &.
func appendJSON(b []byte, v any) ([]byte, error) {
	w := bytes.NewBuffer(b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return b, fmt.Errorf("wire: %w", err)
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), nil
}

// ErrNoObject is the error for a request that is not a JSON object.
var ErrNoObject = errors.New("wire: the request is not a JSON object")

// raw has the members of a request that has not been decoded. The id is valid even if another
// member is not, so the reply with the error can have it.
type raw struct {
	id, do, topic, after, last, limit, presence, data, key, echo, token, idempotencyKey strictjson.Value
}

// member returns the field for a member, or nil if the protocol has no such member.
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
	case "token":
		return &w.token
	case "idempotency_key":
		return &w.idempotencyKey
	}
	return nil
}

// ParseRequest parses a request of a client. The error is ErrNoObject or an *Error. With an
// *Error the request has its ID, or 0 if it has no valid id. The result does not refer to b, and
// its Data is compact. Do need not be one of the known requests: see [UnknownRequest].
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
	r.Token, r.IdempotencyKey = f.secret("token", w.token), f.text("idempotency_key", w.idempotencyKey)
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

// check returns an error for a request that no server accepts.
func (r *Request) check() error {
	switch {
	case r.Do == "":
		return badRequest(`"do" is missing; it must be one of %s`, strings.Join(requests[:], ", "))
	case r.After != nil && r.Last > 0:
		return badRequest(`"after" and "last" exclude each other`)
	case len(r.Token) > MaxToken:
		return badRequest("the token has %d bytes; at most %d are allowed", len(r.Token), MaxToken)
	case r.Do == Auth && r.Token == "":
		return badRequest(`there is no "token"`)
	case len(r.Key) > MaxKey:
		return badRequest("the key has %d bytes; at most %d are allowed", len(r.Key), MaxKey)
	case len(r.IdempotencyKey) > MaxKey:
		return badRequest("the idempotency key has %d bytes; at most %d are allowed", len(r.IdempotencyKey), MaxKey)
	}
	return nil
}

var requests = [...]string{Subscribe, Unsubscribe, Publish, History, Presence, Ping, Auth}

// UnknownRequest returns the error for a Request.Do that is not a known request.
func UnknownRequest(do string) *Error {
	if len(do) > 40 {
		do = do[:40] + "..."
	}
	return Errorf(Unknown, "unknown request %q; it must be one of %s", do, strings.Join(requests[:], ", "))
}
