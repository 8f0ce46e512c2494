package hub

// History returns messages of the topic as o asks for, at most limit of them, and the topic's
// position. The error is a *TooOldError if the topic does not hold all that o asks for.
func (h *Hub) History(name string, o Start, limit int) (all []*Record, at Position, err error) {
	if err := CheckName(name); err != nil {
		return nil, at, err
	}
	t := h.lookup(name)
	if h.node != nil && h.keeps(name) {
		h.Start()
		if t, err = h.begin(name, creator{}, o); err != nil {
			return nil, at, err
		}
		defer h.drop(t)
	}
	if t == nil {
		if o.After != nil {
			return nil, at, &TooOldError{Asked: *o.After}
		}
		return nil, at, nil
	}
	return t.history(o, limit)
}

// history returns messages that the topic holds: after a position, or the last ones. It fails
// with a *TooOldError if not all after the position are held.
func (t *Topic) history(o Start, limit int) (all []*Record, at Position, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trimLocked()
	at = t.positionLocked()
	seq, err := t.startLocked(o)
	if err != nil {
		return nil, at, err
	}
	for seg, i := t.log.segs.find(seq); seg < len(t.log.segs) && len(all) < limit; seg, i = seg+1, 0 {
		for _, e := range t.log.segs[seg].entries[i:] {
			if e.r != nil && len(all) < limit {
				all = append(all, e.r)
			}
		}
	}
	return all, at, nil
}
