package conns

// counts are the numbers of connections of users, by hash. It is a table with linear probing, which takes about 15 bytes for
// each user, where a map takes 35. The hashes have a secret key, so nobody can choose users that collide.
type counts struct {
	n      int
	users  []uint64 // 0 in a free place
	counts []uint32
}

// least is the smallest size of a table.
const least = 8

// place returns the place of a user, or the free one where it belongs.
func (c *counts) place(user uint64) int {
	i := c.home(user)
	for c.users[i] != 0 && c.users[i] != user {
		i = c.next(i)
	}
	return i
}

// home is the place where the search for a user begins. The lower bits of a hash choose the shard.
func (c *counts) home(user uint64) int { return int(user >> shardBits % uint64(len(c.users))) }

func (c *counts) next(i int) int {
	if i++; i == len(c.users) {
		return 0
	}
	return i
}

// of returns the number of connections of a user.
func (c *counts) of(user uint64) int {
	if c.n == 0 {
		return 0
	}
	return int(c.counts[c.place(user)])
}

// add counts another connection of a user.
func (c *counts) add(user uint64) {
	if c.n >= len(c.users)/8*7 {
		c.resize(sizeFor(len(c.users)))
	}
	i := c.place(user)
	if c.users[i] == 0 {
		c.users[i] = user
		c.n++
	}
	c.counts[i]++
}

// remove counts a connection of a user no longer, which has been counted.
func (c *counts) remove(user uint64) {
	i := c.place(user)
	if c.counts[i]--; c.counts[i] > 0 {
		return
	}
	c.n--
	c.close(i)
	if size := sizeFor(c.n); size <= len(c.users)/2 {
		c.resize(size)
	}
}

// sizeFor returns the size of a table that n users fill to about three quarters.
func sizeFor(n int) int { return max(least, (n/3*4+least)/least*least) }

// close frees a place, and moves those behind it that would not be found any more.
func (c *counts) close(free int) {
	for i := c.next(free); c.users[i] != 0; i = c.next(i) {
		home := c.home(c.users[i])
		if free <= i && free < home && home <= i || i < free && (free < home || home <= i) { // its search does not pass the free place
			continue
		}
		c.users[free], c.counts[free] = c.users[i], c.counts[i]
		free = i
	}
	c.users[free], c.counts[free] = 0, 0
}

func (c *counts) resize(size int) {
	old := *c
	c.users, c.counts = make([]uint64, size), make([]uint32, size)
	for i, user := range old.users {
		if user != 0 {
			at := c.place(user)
			c.users[at], c.counts[at] = user, old.counts[i]
		}
	}
}
