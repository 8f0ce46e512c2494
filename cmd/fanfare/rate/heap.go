package rate

import "time"

// idleItem says that a key is idle at that time or later.
type idleItem struct {
	at    time.Duration
	entry int32
}

// idleHeap is a binary heap: its first item has the earliest time. container/heap would allocate for each push.
type idleHeap []idleItem

func (h *idleHeap) push(item idleItem) {
	*h = append(*h, item)
	for a, i := *h, len(*h)-1; i > 0; {
		parent := (i - 1) / 2
		if a[parent].at <= a[i].at {
			return
		}
		a[parent], a[i] = a[i], a[parent]
		i = parent
	}
}

// pop removes the first item.
func (h *idleHeap) pop() {
	last := len(*h) - 1
	(*h)[0] = (*h)[last]
	*h = (*h)[:last]
	h.down()
}

// down moves the first item to its place, after its time has increased.
func (h idleHeap) down() {
	for i := 0; ; {
		least := 2*i + 1
		if least >= len(h) {
			return
		}
		if right := least + 1; right < len(h) && h[right].at < h[least].at {
			least = right
		}
		if h[i].at <= h[least].at {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
