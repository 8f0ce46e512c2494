package backend

import (
	"container/list"
	"time"
)

// cache keeps answers until their time is over. When it is full it forgets the ones that were not used for longest.
type cache struct {
	most, bytes int
	byKey       map[digest]*list.Element
	recent      list.List // of *kept, the latest used first
}

type kept struct {
	key   digest
	reply reply
	until time.Time
	bytes int
}

// keptOverhead is about what an answer takes besides its body.
const keptOverhead = 200

func newCache(most int) cache { return cache{most: most, byKey: make(map[digest]*list.Element)} }

func (c *cache) get(key digest, now time.Time) (r reply, ok bool) {
	at := c.byKey[key]
	if at == nil {
		return r, false
	}
	k := at.Value.(*kept)
	if !now.Before(k.until) {
		c.remove(at)
		return r, false
	}
	c.recent.MoveToFront(at)
	return k.reply, true
}

// put keeps a reply whose body had so many bytes.
func (c *cache) put(key digest, r reply, bytes int, until time.Time) {
	if at := c.byKey[key]; at != nil {
		c.remove(at)
	}
	if bytes += keptOverhead; bytes > c.most {
		return
	}
	for c.bytes+bytes > c.most {
		c.remove(c.recent.Back())
	}
	c.bytes += bytes
	c.byKey[key] = c.recent.PushFront(&kept{key, r, until, bytes})
}

func (c *cache) remove(at *list.Element) {
	k := c.recent.Remove(at).(*kept)
	c.bytes -= k.bytes
	delete(c.byKey, k.key)
}
