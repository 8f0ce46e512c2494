package main

// A wrong message is counted twice: in the shard, for the totals, and as a fault, for the example.

func (l *load) countLate(s *shard, example func() string) {
	s.mu.Lock()
	s.received++
	s.reordered++
	s.mu.Unlock()
	l.faults.add("out of order", "the server does not keep messages in order", 1, example)
}

func (l *load) countDuplicate(s *shard, example func() string) {
	s.mu.Lock()
	s.duplicated++
	s.mu.Unlock()
	l.faults.add("duplicated", "the server sent a message twice", 1, example)
}

func (l *load) countWrong(s *shard, example func() string) {
	s.mu.Lock()
	s.wrong++
	s.mu.Unlock()
	l.faults.add(wrongContent, wrongContentHint, 1, example)
}

const (
	wrongContent     = "wrong content"
	wrongContentHint = "the server sent something else than was sent to it: check the path"
)
