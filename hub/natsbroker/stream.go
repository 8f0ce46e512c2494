package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fanfare-ws/fanfare/hub"
)

// StreamConfig returns how the stream must be configured, for those who create it themselves.
func StreamConfig(o Options) (jetstream.StreamConfig, error) {
	o, err := o.withDefaults()
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	return o.streamConfig(), nil
}

func (o *Options) streamConfig() jetstream.StreamConfig {
	subjects := subjectsOf(o.Prefix, 0)
	c := jetstream.StreamConfig{
		Name:              o.Stream,
		Description:       "Fanfare: topics, see github.com/fanfare-ws/fanfare/hub/natsbroker",
		Subjects:          []string{subjects.stored},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxMsgs:           -1,
		MaxConsumers:      -1,
		MaxMsgsPerSubject: int64(o.MaxMessages),
		MaxBytes:          max(o.MaxBytes, -1),
		Replicas:          o.Replicas,
		Duplicates:        duplicates,
		AllowDirect:       true,
		AllowMsgTTL:       true,
		RePublish:         &jetstream.RePublish{Source: subjects.stored, Destination: subjects.copied},
	}
	if o.Memory {
		c.Storage = jetstream.MemoryStorage
	}
	return c
}

// ensureStream returns when the stream was created. It creates the stream if it is missing, and
// configures it the first time. Only the goroutine that links may call it.
func (b *Broker) ensureStream(ctx context.Context, s *session) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	js, err := jetstream.New(s.nc)
	if err != nil {
		return time.Time{}, err
	}
	stream, err := js.Stream(ctx, b.opts.Stream)
	want := b.opts.streamConfig()
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) && !b.opts.NoCreate:
		if stream, err = js.CreateStream(ctx, want); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = js.Stream(ctx, b.opts.Stream) // another node was faster
		}
	case err == nil && !b.configured && !b.opts.NoCreate && !serves(stream.CachedInfo().Config, want):
		stream, err = js.UpdateStream(ctx, want)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: the stream %s: %w", hub.ErrLinkDown, b.opts.Stream, err)
	}
	created, err := b.noteStream(stream.CachedInfo())
	if err == nil {
		b.configured = true
	}
	return created, err
}

// lookAtStream notes the state of the stream, and does not create or change it: only the link does.
func (b *Broker) lookAtStream(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	js, err := jetstream.New(s.nc)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, b.opts.Stream)
	if err != nil {
		return fmt.Errorf("%w: the stream %s: %w", hub.ErrLinkDown, b.opts.Stream, err)
	}
	_, err = b.noteStream(stream.CachedInfo())
	return err
}

// noteStream notes the state of the stream, and returns when it was created.
func (b *Broker) noteStream(info *jetstream.StreamInfo) (time.Time, error) {
	c, want := &info.Config, b.opts.streamConfig()
	if c.RePublish == nil || *c.RePublish != *want.RePublish || !c.AllowDirect || !c.AllowMsgTTL {
		return time.Time{}, fmt.Errorf("%w: the stream %s must republish %s to %s, and allow Direct Get and TTLs of messages",
			errMisconfigured, b.opts.Stream, want.RePublish.Source, want.RePublish.Destination)
	}
	b.mu.Lock()
	b.perTopic = c.MaxMsgsPerSubject
	b.firstSeq, b.lastSeq = info.State.FirstSeq, info.State.LastSeq
	b.full = c.MaxBytes > 0 && int64(info.State.Bytes) > c.MaxBytes/4
	b.mu.Unlock()
	return info.Created, nil
}

// serves reports whether a stream has the configuration that it should have.
func serves(c, want jetstream.StreamConfig) bool {
	return len(c.Subjects) == 1 && c.Subjects[0] == want.Subjects[0] && c.MaxMsgsPerSubject == want.MaxMsgsPerSubject &&
		c.MaxBytes == want.MaxBytes && c.Replicas == want.Replicas && c.Duplicates == want.Duplicates &&
		c.AllowDirect && c.AllowMsgTTL && c.RePublish != nil && *c.RePublish == *want.RePublish
}

// lastMessage is the last message of a subject, as the stream's leader sees it.
type lastMessage struct {
	seq  uint64 // 0 if there is none
	data []byte
}

// last asks the stream's leader for the last message of a subject.
func (b *Broker) last(ctx context.Context, s *session, subject string) (lastMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	question, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return lastMessage{}, err
	}
	answer, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+b.opts.Stream, question)
	if err != nil {
		return lastMessage{}, fmt.Errorf("%w: asking the stream's leader: %w", hub.ErrLinkDown, err)
	}
	var found struct {
		Message struct {
			Seq  uint64 `json:"seq"`
			Data []byte `json:"data"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(answer.Data, &found); {
	case err != nil:
		return lastMessage{}, fmt.Errorf("natsbroker: the answer of the stream's leader: %w", err)
	case found.Error != nil && found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return lastMessage{}, nil
	case found.Error != nil:
		return lastMessage{}, fmt.Errorf("%w: asking the stream's leader: %w", hub.ErrLinkDown, found.Error)
	}
	return lastMessage{found.Message.Seq, found.Message.Data}, nil
}
