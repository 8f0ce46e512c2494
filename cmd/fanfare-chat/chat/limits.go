package chat

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// Limits bound what a user can have a chat hold or do. Of each field 0 stands for the
// default and a negative number for no limit. Rates are shared by all connections of a user;
// the burst is what may come at once after a rest.
type Limits struct {
	// Messages is how many messages, changes of messages and typing notices a user may send
	// a second; 20 by default, with a burst of five times as many. Beyond it a request waits
	// for a second at most, and then is answered busy with the time to try again, or waits
	// up to half a minute if it comes as text of a room's connection.
	Messages int
	// Requests is how many other requests a user may make a second; 100 by default, with a
	// burst of 20 times as many. Beyond it requests of fanfare.v1 wait for a second each, and
	// those of the API get 429.
	Requests int
	// Rooms is how many rooms a user may be in when they make or join one more; 1,000 by
	// default. With those that others invite them to, and rooms of two, there may be twice as
	// many. Beyond it: 409.
	Rooms int
	// Members is how many members a room may have; 100,000 by default. Beyond it: 409.
	Members int
	// Uncommitted is how many messages and changes of a user may wait to be stored; 64 by
	// default. Each has 8,000 bytes at most. Beyond it: busy.
	Uncommitted int
	// AllUncommitted is how many of all users may wait; 4,096 by default. Beyond it the user
	// with most loses the newest of theirs, which is answered busy.
	AllUncommitted int
}

const (
	messageBurst     = 5  // seconds' worth
	requestBurst     = 20 // seconds' worth
	maxDelay         = time.Second
	maxRoomConnDelay = 30 * time.Second
	unlimited        = 1 << 40 // of a limit that there is not
)

// WithDefaults returns the limits in force.
func (l Limits) WithDefaults() Limits {
	for p, otherwise := range map[*int]int{
		&l.Messages: 20, &l.Requests: 100, &l.Rooms: 1000, &l.Members: 100_000, &l.Uncommitted: 64, &l.AllUncommitted: 4096,
	} {
		switch {
		case *p == 0:
			*p = otherwise
		case *p < 0:
			*p = unlimited
		}
	}
	return l
}

// rates say how often each user does something.
type rates struct{ messages, requests *fair.Limiter[int64] }

func newRates(l Limits) rates {
	rate := func(perSecond, seconds int) *fair.Limiter[int64] {
		if perSecond == unlimited {
			return nil
		}
		return fair.NewLimiter[int64](perSecond*seconds, time.Second/time.Duration(perSecond))
	}
	return rates{rate(l.Messages, messageBurst), rate(l.Requests, requestBurst)}
}

// delay is a session's Options.Delay: it slows down who asks for too much. The connection
// waits, and nothing else does. A message that would have to wait longer is refused after
// that, by publish: so each connection costs the server little, however much it sends.
func (c *Chat) delay(m *hub.Member, r *wire.Request) time.Duration {
	v, now := identityOf(m), c.opts.Now()
	rate := c.rates.requests
	if r.Do == wire.Publish {
		rate = c.rates.messages
	}
	wait, ok := rate.Take(v.id, now, maxDelay)
	if v.over = 0; ok {
		return wait
	}
	v.over = wait
	return maxDelay
}

// messageRateError says when to try again.
func (c *Chat) messageRateError(wait time.Duration) error {
	c.counters.refused.Add(1)
	return wire.Errorf(wire.Busy, "you send too much: %d messages a second are allowed; try again in %.0f s", c.limits.Messages, max(1, wait.Seconds()))
}

// countRequest counts a request of the API.
func (c *Chat) countRequest(user int64) error {
	wait, ok := c.rates.requests.Take(user, c.opts.Now(), 0)
	if ok {
		return nil
	}
	c.counters.refused.Add(1)
	return tooManyRequests(wait)
}

// tooManyRequests says when to try again.
func tooManyRequests(wait time.Duration) error {
	return &busyError{wait, "you ask for too much at a time"}
}

// busyError is answered with 429.
type busyError struct {
	wait   time.Duration
	reason string
}

func (e *busyError) seconds() int { return max(1, int((e.wait+time.Second-1)/time.Second)) }

func (e *busyError) Error() string {
	return fmt.Sprintf("%s; try again in %d s", e.reason, e.seconds())
}

// checkRoomLimits reports whether a user, who may be in so many rooms, may be in one more, and a
// room may have one more member; 0 is a room that does not exist yet. Nothing is added if they
// are in it. Of two who ask at the same time both may be told so: the limit is not exact.
func (c *Chat) checkRoomLimits(k *call, room, user int64, rooms int) error {
	if room > 0 {
		if _, err := c.store.Membership(k.Context(), room, user); !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	members, places, err := c.store.Counts(k.Context(), room, user)
	switch {
	case err != nil:
		return err
	case places >= rooms:
		return errorf(http.StatusConflict, "nobody can be in more than %d rooms; leave one first", rooms)
	case members >= c.limits.Members:
		return errorf(http.StatusConflict, "the room is full: it has %d members", members)
	}
	return nil
}
