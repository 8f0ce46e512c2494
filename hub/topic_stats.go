package hub

// TopicStats describes a topic.
type TopicStats struct {
	Name        string   `json:"name"`
	Subscribers int      `json:"subscribers"`
	Published   uint64   `json:"published"`         // messages since the topic began
	Position    Position `json:"position"`          // after the last message
	Held        int      `json:"history,omitempty"` // messages that are held
	Evicted     int64    `json:"evicted"`           // subscribers that were too slow
	Dropped     int64    `json:"dropped,omitempty"` // messages that subscribers did not get, by the topic's policy
	Lagging     int      `json:"lagging,omitempty"` // subscribers that have not taken all yet
}

func (t *Topic) stats() TopicStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TopicStats{
		Name: t.name, Subscribers: t.count, Published: t.publishedLocked(), Position: t.positionLocked(),
		Held: t.log.count, Evicted: t.evicted.Load(), Dropped: t.dropped.Load(), Lagging: int(t.laggards),
	}
}
