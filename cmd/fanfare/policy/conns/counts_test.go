package conns

import (
	"math/rand/v2"
	"testing"
)

// A table counts as a map does, whatever comes and goes, with hashes that differ and with hashes that collide.
func TestCounts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 9))
	for _, hash := range []func(i int) uint64{
		func(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 },
		func(i int) uint64 { return uint64(i%7+1)<<shardBits + uint64(i)<<40 },
		func(i int) uint64 { return uint64(i+1) << shardBits },
	} {
		var c counts
		want := make(map[uint64]int)
		var all []uint64 // of connections
		for _, grow := range []int{9, 5, 1, 9, 0} {
			for range 3000 {
				if user := hash(rnd.IntN(900)); rnd.IntN(10) < grow {
					c.add(user)
					want[user]++
					all = append(all, user)
				} else if len(all) > 0 {
					i := rnd.IntN(len(all))
					user, all[i] = all[i], all[len(all)-1]
					all = all[:len(all)-1]
					c.remove(user)
					if want[user]--; want[user] == 0 {
						delete(want, user)
					}
				}
			}
			if c.n != len(want) || len(c.users) > 3*c.n+least {
				t.Fatalf("%d users in %d places, want %d users", c.n, len(c.users), len(want))
			}
			for i := range 900 {
				if user := hash(i); c.of(user) != want[user] {
					t.Fatalf("%d connections of a user, want %d", c.of(user), want[user])
				}
			}
		}
		for _, user := range all {
			c.remove(user)
		}
		if c.n != 0 || len(c.users) > least {
			t.Fatalf("%d users in %d places remain", c.n, len(c.users))
		}
	}
}
