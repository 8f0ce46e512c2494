package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// askTimeout is how long a question may take. The server that should answer may end before it does;
// then another one is asked.
const askTimeout = 2 * time.Second

// question is a question of Direct Get (ADR-31), which any replica answers with several messages.
type question struct {
	Seq       uint64     `json:"seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Next      string     `json:"next_by_subj,omitempty"`
	LastOf    string     `json:"last_by_subj,omitempty"`
	Last      []string   `json:"multi_last,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
}

// reply is the answer of a replica.
type reply struct {
	messages []*nats.Msg
	pending  uint64 // messages that match and were not sent
	upTo     uint64 // the replica's last sequence number, in the answer to question.Last
}

var (
	errTooMany = errors.New("natsbroker: too many subjects match")
	errRefused = fmt.Errorf("%w: the stream refused a question", hub.ErrLinkDown)
)

// get asks a replica.
func (b *Broker) get(ctx context.Context, s *session, q *question) (r reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	data, err := json.Marshal(q)
	if err != nil {
		return r, err
	}
	inbox := s.nc.NewRespInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err == nil {
		defer sub.Unsubscribe()
		err = errors.Join(sub.SetPendingLimits(-1, -1), s.nc.PublishRequest("$JS.API.DIRECT.GET."+b.opts.Stream, inbox, data))
	}
	for err == nil {
		var m *nats.Msg
		if m, err = sub.NextMsgWithContext(ctx); err != nil {
			break
		}
		if done, err := r.add(m); done || err != nil {
			return r, err
		}
		if q.Batch == 0 && q.Last == nil {
			return r, nil // there is one
		}
	}
	return r, fmt.Errorf("%w: asking the stream: %w", hub.ErrLinkDown, err)
}

// add takes a part of the answer, and reports whether it is the last one. A message may have a
// header Status of its publisher, but a status has no sequence number.
func (r *reply) add(m *nats.Msg) (done bool, err error) {
	if lastValue(m.Header, headerSeq) != "" {
		r.messages = append(r.messages, m)
		return false, nil
	}
	switch status := m.Header.Get(headerStatus); status {
	case "204":
		r.pending, _ = strconv.ParseUint(m.Header.Get(headerPending), 10, 64)
		r.upTo, _ = strconv.ParseUint(m.Header.Get(headerUpTo), 10, 64)
		return true, nil
	case "404":
		return true, nil
	case "413":
		return true, errTooMany
	default:
		return true, fmt.Errorf("%w: %s %s", errRefused, status, m.Header.Get("Description"))
	}
}

// maxSubjects is how many subjects are asked for at a time. NATS allows 1,024.
const maxSubjects = 512

// lastOf returns the last sequence number of each of some subjects that has a message after from.
// The answer comes from a replica that has stored everything up to at.
func (b *Broker) lastOf(ctx context.Context, s *session, subjects []string, from, at uint64) (map[string]uint64, error) {
	found := make(map[string]uint64)
	err := b.eachLast(ctx, s, subjects, from, at, func(f *stored, _ *nats.Msg) { found[f.subject] = f.seq })
	if err != nil {
		return nil, err
	}
	return found, nil
}

// eachLast calls each for the last message of each of some subjects that has one after from, and for
// the record of the epoch, perhaps again. The answer comes from a replica that has stored everything
// up to at.
func (b *Broker) eachLast(ctx context.Context, s *session, subjects []string, from, at uint64, each func(*stored, *nats.Msg)) error {
	var again backoff
	for after := from; len(subjects) > 0; {
		n := min(len(subjects), maxSubjects)
		r, err := b.get(ctx, s, &question{
			Last: append([]string{b.subjects.inEpoch}, subjects[:n]...), // without a match there is no upTo
			Seq:  after + 1,
		})
		if err != nil {
			return err
		}
		if r.upTo < at { // the replica is behind
			again.wait(ctx, s.ended)
			if err := ctx.Err(); err != nil {
				return err
			}
			continue
		}
		for _, m := range r.messages { // in the order of their sequence numbers
			f, err := storedOf(m.Header)
			if err != nil {
				return err
			}
			each(&f, m)
			after = f.seq
		}
		if r.pending == 0 || len(r.messages) == 0 { // otherwise the answer was too large for one
			subjects, after = subjects[n:], from
		}
	}
	return nil
}
