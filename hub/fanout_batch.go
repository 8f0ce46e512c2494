package hub

import (
	"slices"
)

// all returns all messages joined, and their number.
func (b *batch) all(es *encodings, id encodingID) (joined Encoded, messages int) {
	f := b.forms.get(id)
	if f == nil {
		b.forms.mu.Lock()
		if f = b.forms.get(id); f == nil {
			joined, messages = b.join(es, id, 0, nil)
			f = b.forms.addLocked(form{id: id, messages: messages, encoded: joined})
		}
		b.forms.mu.Unlock()
	}
	return f.encoded, f.messages
}

// part returns what one subscription gets, and how many messages that is: everything from its
// cursor on, except messages that exclude it. part is nil if there is nothing for it.
func (b *batch) part(es *encodings, s *Subscription) (part Encoded, messages int) {
	if s.cursor <= b.first && !slices.Contains(b.excluded, s.to) {
		return b.all(es, s.encoding())
	}
	return b.join(es, s.encoding(), s.cursor, s.to)
}

func (b *batch) join(es *encodings, id encodingID, seq uint64, to Subscriber) (joined Encoded, messages int) {
	var few [8]Encoded
	all := few[:0]
	for i := range b.entries {
		if e := &b.entries[i]; e.seq >= seq && (to == nil || e.r.Exclude != to) {
			if one := e.r.encoded(es, id); one != nil {
				all = append(all, one)
			}
		}
	}
	switch len(all) {
	case 0:
		return nil, 0
	case 1:
		return all[0], 1
	}
	if joined = join(es.get(id), all); joined != nil {
		messages = len(all)
	}
	return joined, messages
}

// firstFor returns the first message of b that s gets, of which there must be one, and the
// sequence number after it.
func (b *batch) firstFor(es *encodings, s *Subscription) (one Encoded, next uint64) {
	for i := range b.entries {
		if e := &b.entries[i]; e.seq >= s.cursor && e.r.Exclude != s.to {
			if one := e.r.encoded(es, s.encoding()); one != nil {
				return one, e.seq + 1
			}
		}
	}
	panic("hub: a batch without a message for its receiver")
}
