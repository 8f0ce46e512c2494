package wire

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// Kind is the form in which a message was published.
type Kind uint8

const (
	JSON   Kind = iota // a JSON value: "data"
	Text               // UTF-8: "text"
	Binary             // any bytes: "base64"
)

// Message is the event of a published message.
type Message struct {
	Topic   string
	Offset  uint64
	Time    int64 // milliseconds since 1970
	Key     string
	Kind    Kind
	Payload []byte // in the form given by Kind
}

// maxHead bounds the length of a message without its topic, key and payload, in bytes.
const maxHead = 128

// Append appends the message in its wire format. Payload must have the form that Kind names:
// Append does not check it.
func (m *Message) Append(b []byte) []byte {
	b = append(b, `{"topic":`...)
	b = appendString(b, m.Topic)
	b = append(b, `,"offset":`...)
	b = strconv.AppendUint(b, m.Offset, 10)
	b = append(b, `,"time":`...)
	b = strconv.AppendInt(b, m.Time, 10)
	if m.Key != "" {
		b = append(b, `,"key":`...)
		b = appendString(b, m.Key)
	}
	b = m.appendPayload(b)
	return append(b, '}')
}

// Size estimates the length of the message in its wire format, in bytes.
func (m *Message) Size() int {
	return maxHead + len(m.Topic) + len(m.Key) + len(m.Payload)*4/3
}

// MaxEvent returns the longest event or reply, in bytes, of a server whose messages have payloads
// of up to payload bytes. Text can become twice as long when JSON escapes it, and a reply to
// history has about 256 KiB of further messages.
func MaxEvent(payload int) int { return 2*payload + 2*(256<<10) + 64<<10 }

func (m *Message) appendPayload(b []byte) []byte {
	switch before := len(b); m.Kind {
	case JSON:
		return strictjson.AppendCompact(append(b, `,"data":`...), m.Payload)
	case Text:
		b = appendString(append(b, `,"text":`...), m.Payload)
		if len(b)-before <= maxHead+2*len(m.Payload) {
			return b
		}
		b = b[:before]
	}
	b = append(b, `,"base64":"`...)
	return append(base64.StdEncoding.AppendEncode(b, m.Payload), '"')
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString[S string | []byte](b []byte, s S) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

// MarshalJSON returns the message in its wire format.
func (m Message) MarshalJSON() ([]byte, error) { return m.Append(make([]byte, 0, m.Size())), nil }

// UnmarshalJSON is the inverse of Append. The result does not refer to b.
func (m *Message) UnmarshalJSON(b []byte) (err error) {
	*m, err = parseMessage(strictjson.Value{Text: bytes.TrimSpace(b)})
	return err
}

// rawMessage has the members of a message that has not been decoded.
type rawMessage struct{ topic, offset, time, key, data, text, base64 strictjson.Value }

func (w *rawMessage) member(name []byte) *strictjson.Value {
	switch string(name) {
	case "topic":
		return &w.topic
	case "offset":
		return &w.offset
	case "time":
		return &w.time
	case "key":
		return &w.key
	case "data":
		return &w.data
	case "text":
		return &w.text
	case "base64":
		return &w.base64
	}
	return nil
}

func parseMessage(v strictjson.Value) (Message, error) {
	var w rawMessage
	err := v.Object(func(name []byte, v strictjson.Value) {
		if p := w.member(name); p != nil {
			*p = v
		}
	})
	if err != nil {
		return Message{}, fmt.Errorf("wire: a message: %w", err)
	}
	var f fields
	m := w.message(&f)
	if f.err != nil {
		return m, f.err
	}
	return m, nil
}

func (w *rawMessage) message(f *fields) Message {
	m := Message{Topic: f.text("topic", w.topic), Key: f.text("key", w.key)}
	if !missing(w.offset) {
		m.Offset = f.number("offset", w.offset)
	}
	if !missing(w.time) {
		var ok bool
		if m.Time, ok = w.time.Int(); !ok {
			f.wrong(`"time" is %s; it must be an integer`, quoted(w.time))
		}
	}
	switch {
	case w.data.Text != nil:
		m.Payload = append([]byte(nil), w.data.Text...)
	case !missing(w.text):
		m.Kind, m.Payload = Text, f.bytes("text", w.text)
	case !missing(w.base64):
		m.Kind = Binary
		f.decode("base64", w.base64, &m.Payload)
	default:
		f.wrong(`the message must have "data", "text" or "base64"`)
	}
	return m
}
