//go:build linux

package netpoll

import (
	"math/rand/v2"
	"testing"
)

// tableModel is a table beside a plain set of what must be in it.
type tableModel struct {
	t     *testing.T
	rnd   *rand.Rand
	table table
	in    map[*Conn]int // and its index in list
	list  []*Conn
	tags  map[*Conn]int32 // of those that have one
}

func (m *tableModel) add() {
	c, tag := new(Conn), int32(0)
	if m.rnd.IntN(600) == 0 { // so that most chunks have none
		tag = m.rnd.Int32()
	}
	if !m.table.add(c, tag) {
		m.t.Fatal("an open table refused a connection")
	}
	m.tags[c] = tag
	m.in[c] = len(m.list)
	m.list = append(m.list, c)
}

func (m *tableModel) remove(c *Conn) {
	i, last := m.in[c], m.list[len(m.list)-1]
	m.list[i], m.in[last] = last, i
	m.list = m.list[:len(m.list)-1]
	delete(m.in, c)
	m.table.remove(c)
	if m.table.tag(c) != m.tags[c] {
		m.t.Fatal("a connection has lost its tag when it left")
	}
	if m.table.setTag(c, 1); m.table.tag(c) != m.tags[c] {
		m.t.Fatal("a connection that has left takes a tag")
	}
	delete(m.tags, c)
}

// tagAny gives a connection another tag, or none.
func (m *tableModel) tagAny() {
	if len(m.list) > 0 {
		c := m.list[m.rnd.IntN(len(m.list))]
		m.tags[c] = m.rnd.Int32() * m.rnd.Int32N(2)
		m.table.setTag(c, m.tags[c])
	}
}

func (m *tableModel) removeAny() {
	if len(m.list) > 0 {
		m.remove(m.list[m.rnd.IntN(len(m.list))])
	}
}

func (m *tableModel) check() {
	m.t.Helper()
	tb := &m.table
	if tb.n != len(m.in) {
		m.t.Fatalf("%d connections, want %d", tb.n, len(m.in))
	}
	for i := range tb.n {
		c := tb.chunks[i/chunkSize][i%chunkSize]
		if _, ok := m.in[c]; !ok || int(c.slot) != i+1 {
			m.t.Fatalf("a wrong connection in slot %d", i)
		}
		if tb.tag(c) != m.tags[c] {
			m.t.Fatalf("the tag of slot %d is %d, want %d", i, tb.tag(c), m.tags[c])
		}
	}
	for i := tb.n; i < len(tb.chunks)*chunkSize; i++ {
		if tb.chunks[i/chunkSize][i%chunkSize] != nil || tb.tagLocked(i) != 0 {
			m.t.Fatalf("a connection or its tag is kept in free slot %d", i)
		}
	}
	if spare := len(tb.chunks) - (tb.n+chunkSize-1)/chunkSize; spare > 1 {
		m.t.Fatalf("%d spare chunks for %d connections", spare, tb.n)
	}
}

// A connection that has its loop, and is not in the table yet, is in no place of it: it does not reach the tag of the first one.
func TestTagBeforeTheTable(t *testing.T) {
	l := new(loop)
	first, early := &Conn{loop: l}, &Conn{loop: l}
	if !l.table.add(first, 7) {
		t.Fatal("an open table refused a connection")
	}
	if tag := early.Tag(); tag != 0 {
		t.Errorf("before it is in the table a connection has the tag %d", tag)
	}
	early.SetTag(8)
	l.table.remove(early)
	if tag := first.Tag(); tag != 7 || l.table.n != 1 {
		t.Errorf("the first connection has the tag %d, and the table %d connections", tag, l.table.n)
	}
	if l.table.add(early, 9); early.Tag() != 9 || first.Tag() != 7 {
		t.Errorf("the tags are %d and %d", early.Tag(), first.Tag())
	}
}

// Whatever comes and goes during each, it visits all that stay; and so do pages.
func (m *tableModel) each(churn int) {
	m.t.Helper()
	var buf chunk
	m.visits(churn, func(visit func(*Conn)) { m.table.each(&buf, visit) })
	if buf != (chunk{}) {
		m.t.Fatal("each keeps connections in its buffer")
	}
	m.visits(churn, func(visit func(*Conn)) {
		for left := allLeft; left > 0; {
			var page []*Conn
			limit := 1 + m.rnd.IntN(100)
			if page, left = m.table.page(left, limit); len(page) > limit {
				m.t.Fatalf("%d on a page of %d", len(page), limit)
			}
			for _, c := range page {
				visit(c)
			}
		}
	})
}

// visits has connections come and go while walk visits them.
func (m *tableModel) visits(churn int, walk func(visit func(*Conn))) {
	m.t.Helper()
	stay := make(map[*Conn]bool, len(m.list))
	for _, c := range m.list {
		stay[c] = m.rnd.IntN(4) != 0
	}
	visited := make(map[*Conn]bool)
	walk(func(c *Conn) {
		visited[c] = true
		for range m.rnd.IntN(churn) {
			if m.rnd.IntN(3) == 0 {
				m.add()
			} else if len(m.list) > 0 {
				if victim := m.list[m.rnd.IntN(len(m.list))]; !stay[victim] {
					m.remove(victim)
				}
			}
		}
	})
	for c, stays := range stay {
		if stays && !visited[c] {
			m.t.Fatal("a connection that stayed was left out")
		}
	}
}

func TestTableAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	m := &tableModel{t: t, rnd: rnd, in: make(map[*Conn]int), tags: make(map[*Conn]int32)}
	for _, grow := range []int{1, 9, 5, 1, 9, 0, 9} { // of ten steps, how many add
		for range 3000 {
			if rnd.IntN(10) < grow {
				m.add()
			} else {
				m.removeAny()
			}
			if rnd.IntN(300) == 0 {
				m.tagAny()
			}
		}
		m.check()
		m.each(6)
		m.check()
	}
	for len(m.list) > 0 {
		m.removeAny()
	}
	if m.check(); len(m.table.tags) > 1 {
		t.Errorf("%d chunks of tags remain", len(m.table.tags))
	}
	m.table.close()
	if m.table.add(new(Conn), 0) {
		t.Error("a closed table took a connection")
	}
}
