package natsbroker

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// Headers of messages. Those of NATS are described in ADR-31 (Direct Get and RePublish), ADR-43
// (TTL), and in the documentation of JetStream.
const (
	headerContent = "Fanfare" // see contentHeader
	headerID      = "Nats-Msg-Id"
	headerTTL     = "Nats-TTL"
	headerSubject = "Nats-Subject"
	headerSeq     = "Nats-Sequence"
	headerTime    = "Nats-Time-Stamp"
	headerBefore  = "Nats-Last-Sequence" // of the same subject, or in the same answer
	headerPending = "Nats-Num-Pending"
	headerUpTo    = "Nats-UpTo-Sequence"
	headerExpect  = "Nats-Expected-Last-Subject-Sequence"
	headerStatus  = "Status"
)

// kinds has the letter of each hub.Kind.
const kinds = "tbj"

// contentHeader returns the header that describes a message: the letter of its kind; if it has an
// origin or a key, the two numbers of the origin, in hexadecimal; and if it has a key, the key,
// escaped as in a URL. The parts are separated by commas.
func contentHeader(m *hub.Envelope) string {
	b := make([]byte, 0, 64)
	b = append(b, kinds[min(int(m.Kind), len(kinds)-1)])
	if m.Origin != (hub.Origin{}) || m.Key != "" {
		b = strconv.AppendUint(append(b, ','), m.Origin.Node, 16)
		b = strconv.AppendUint(append(b, ','), m.Origin.Publisher, 16)
	}
	if m.Key != "" {
		b = append(append(b, ','), url.QueryEscape(m.Key)...)
	}
	return string(b)
}

// setContent sets what contentHeader has said. A message without the header, which another
// program has published, is text if it can be.
func setContent(m *hub.Envelope, header string) error {
	if header == "" {
		if !utf8.Valid(m.Data) {
			m.Kind = hub.Binary
		}
		return nil
	}
	parts := strings.SplitN(header, ",", 4)
	kind := strings.Index(kinds, parts[0])
	if kind < 0 || len(parts[0]) != 1 || len(parts) == 2 {
		return fmt.Errorf("natsbroker: a message has the header %s: %q", headerContent, header)
	}
	m.Kind = hub.Kind(kind)
	var errs [3]error
	if len(parts) > 2 {
		m.Origin.Node, errs[0] = strconv.ParseUint(parts[1], 16, 64)
		m.Origin.Publisher, errs[1] = strconv.ParseUint(parts[2], 16, 64)
	}
	if len(parts) > 3 {
		m.Key, errs[2] = url.QueryUnescape(parts[3])
	}
	return errors.Join(errs[:]...)
}

// stored is a message that the stream has stored: a copy, or part of an answer.
type stored struct {
	subject string
	seq     uint64
	before  uint64 // see headerBefore
	time    time.Time
}

// lastValue returns the last value of a header: that of the server, which comes after those of a
// publisher.
func lastValue(h nats.Header, key string) string {
	if all := h[key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// storedOf reads what NATS says about a stored message.
func storedOf(h nats.Header) (s stored, err error) {
	s.subject = lastValue(h, headerSubject)
	if s.seq, err = strconv.ParseUint(lastValue(h, headerSeq), 10, 64); err != nil {
		return s, fmt.Errorf("natsbroker: a message has no sequence number: %w", err)
	}
	if v := lastValue(h, headerBefore); v != "" {
		if s.before, err = strconv.ParseUint(v, 10, 64); err != nil {
			return s, fmt.Errorf("natsbroker: %s: %w", headerBefore, err)
		}
	}
	s.time, err = time.Parse(time.RFC3339Nano, lastValue(h, headerTime))
	return s, err
}

// envelope returns the message for the hub, without its epoch.
func (s *stored) envelope(m *nats.Msg, topic string) (*hub.Envelope, error) {
	e := &hub.Envelope{Topic: topic, Data: m.Data, Time: s.time, Position: hub.Position{Offset: s.seq}}
	return e, setContent(e, m.Header.Get(headerContent))
}
