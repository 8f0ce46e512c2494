package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// epochRecord is a message in the stream that names the epoch. It is the first one of the epoch,
// never expires, and goes when the stream is purged or deleted.
type epochRecord struct {
	Epoch   uint64    `json:"epoch"`   // not 0, and at most 52 bits, which JavaScript can count
	Created time.Time `json:"created"` // when the stream was created
	Streams int       `json:"streams"` // over how many streams the topics are divided: 1
	First   uint64    `json:"first"`   // sequence number of the first record of this epoch; 0: this one

	seq uint64 // its own sequence number
}

// first returns where the epoch begins.
func (r *epochRecord) first() uint64 {
	if r.First > 0 {
		return r.First
	}
	return r.seq
}

func parseEpoch(data []byte) (*epochRecord, error) {
	r := new(epochRecord)
	err := json.Unmarshal(data, r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("natsbroker: the record of the epoch: %w", err)
	case r.Epoch == 0:
		return nil, errors.New("natsbroker: the record of the epoch has none")
	case r.Streams != 1:
		return nil, fmt.Errorf("natsbroker: the topics are divided over %d streams, for which this version is too old", r.Streams)
	}
	return r, nil
}

// findEpoch returns the record of the present epoch. It begins an epoch if there is none, or if the
// record is from another stream, of which this one is a copy.
func (b *Broker) findEpoch(ctx context.Context, s *session) (*epochRecord, error) {
	created, err := b.ensureStream(ctx, s)
	if err != nil {
		return nil, err
	}
	for {
		r, err := b.readRecord(ctx, s)
		if err != nil {
			return nil, err
		}
		if r.Epoch != 0 && r.Created.Equal(created) {
			return r, nil
		}
		r.Created = created
		if err := b.writeEpoch(ctx, s, r); err != nil {
			return nil, err
		}
	}
}

// sameEpoch returns the record of the epoch if any replica still has it as it was, and nil
// otherwise. It needs no leader of the servers, whose election takes longer than that of the
// stream's. If the replica is behind, a comparison finds the new epoch.
func (b *Broker) sameEpoch(ctx context.Context, s *session) *epochRecord {
	b.mu.Lock()
	old := b.record
	b.mu.Unlock()
	if old.seq == 0 {
		return nil
	}
	found, err := b.get(ctx, s, &question{LastOf: b.subjects.inEpoch})
	if err != nil || len(found.messages) != 1 {
		return nil
	}
	m := found.messages[0]
	at, err := storedOf(m.Header)
	if err != nil || at.seq != old.seq {
		return nil
	}
	r, err := parseEpoch(m.Data)
	if err != nil || r.Epoch != old.Epoch {
		return nil
	}
	r.seq = at.seq
	return r
}

// readRecord reads the last record from the stream's leader. Its Epoch is 0 if there is none.
func (b *Broker) readRecord(ctx context.Context, s *session) (*epochRecord, error) {
	m, err := b.last(ctx, s, b.subjects.inEpoch)
	if err != nil {
		return nil, err
	}
	if m.seq == 0 {
		return new(epochRecord), nil
	}
	r, err := parseEpoch(m.data)
	if err != nil {
		return nil, err
	}
	r.seq = m.seq
	return r, nil
}

// writeEpoch begins another epoch, unless another node has done so since the record was read.
func (b *Broker) writeEpoch(ctx context.Context, s *session, old *epochRecord) error {
	return b.writeRecord(ctx, s, old.seq, &epochRecord{Epoch: rand.Uint64N(1<<52-1) + 1, Created: old.Created, Streams: 1})
}

// writeRecord stores a record in place of the one at seq.
func (b *Broker) writeRecord(ctx context.Context, s *session, seq uint64, r *epochRecord) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	answer, err := s.nc.RequestMsgWithContext(ctx, &nats.Msg{
		Subject: b.subjects.inEpoch, Data: data, Header: nats.Header{headerExpect: {strconv.FormatUint(seq, 10)}},
	})
	if err != nil {
		return fmt.Errorf("%w: beginning an epoch: %w", hub.ErrLinkDown, err)
	}
	if ack, err := parseAck(answer); err != nil && (ack.Error == nil || ack.Error.Code != wrongLastSequence && ack.Error.Code != wrongLastSequenceConstant) {
		return fmt.Errorf("natsbroker: beginning an epoch: %w", err)
	}
	return nil
}

// NATS's error codes for a message that came too late.
const (
	wrongLastSequence         = 10071
	wrongLastSequenceConstant = 10164 // another one to the subject is being stored
)
