package hub

// owner is the owner of topics: a user, an address, a connection, or whatever the program
// distinguishes. Guarded by Hub.mu.
type owner struct {
	key      string
	of       *owner // the owner that this one is a part of; nil if there is none
	topics   int    // existing topics that it created, patterns included
	patterns int
}

// share limits an owner to this many times what is free. So something stays free no matter how
// many owners are greedy, and owners that have less can still use it: one greedy owner leaves a
// ninth of the room, a dozen of them leave 1 in 97.
const share = 8

// room returns how many more topics or patterns the owner may have. count returns how many it
// has. The limit is most, and its share of what is free; if it is part of another owner, of what
// that owner has room for.
func (o *owner) room(most, free int, count func(*owner) int) int {
	if o == nil {
		return free
	}
	if o.of != nil {
		free = o.of.room(most, free, count)
	}
	return min(most, share*free) - count(o)
}
