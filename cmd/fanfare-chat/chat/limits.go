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

// Limits bound the resources that users can make a chat hold, and their rates. A field that is 0 has
// its default, and a negative field means no limit. Rates are shared by all connections of a user. A
// burst is the number of requests that a user can make at once after a pause.
type Limits struct {
	// Messages bounds the messages, changes of messages and typing notices that a user sends per
	// second. Default: 20, with a burst of 100. Beyond it a request waits for at most a second,
	// and is then answered with busy and the time after which to try again. A text on a
	// connection to a single room waits for up to 30 seconds.
	Messages int
	// Requests bounds the other requests that a user makes per second. Default: 100, with a burst
	// of 2,000. Beyond it each request of fanfare.v1 waits for a second, and a request of the API
	// gets 429.
	Requests int
	// UserConns bounds the WebSocket connections of a user. Default: 500. A connection beyond it is
	// closed with 1013.
	UserConns int
	// AddrConns bounds the WebSocket connections from an address: an IPv4 address or the /64 of an
	// IPv6 address. Default: 5,000. A connection beyond it is closed with 1013.
	AddrConns int
	// Rooms bounds the rooms of a user who creates or joins another one. Default: 1,000. Including
	// direct rooms, and rooms to which others have invited the user, there may be twice as many.
	// Beyond it a request gets 409.
	Rooms int
	// Members bounds the members of a room. Default: 100,000. Beyond it a request gets 409.
	Members int
	// Uncommitted bounds the messages and changes of a user that wait to be stored. Default: 64.
	// Each is at most 8,000 bytes long. Beyond it a request is answered with busy.
	Uncommitted int
	// AllUncommitted bounds the waiting messages and changes of all users. Default: 4,096. Beyond
	// it the newest request of the user with the most is answered with busy.
	AllUncommitted int
}

const (
	messageBurst     = 5  // in seconds of the rate
	requestBurst     = 20 // in seconds of the rate
	maxDelay         = time.Second
	maxRoomConnDelay = 30 * time.Second
	unlimited        = 1 << 40 // stands for no limit
)

// WithDefaults returns the limits in force: with defaults filled in, and a very large number for each
// field without a limit.
func (l Limits) WithDefaults() Limits {
	for p, otherwise := range map[*int]int{
		&l.Messages: 20, &l.Requests: 100, &l.UserConns: 500, &l.AddrConns: 5000, &l.Rooms: 1000, &l.Members: 100_000,
		&l.Uncommitted: 64, &l.AllUncommitted: 4096,
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

// maxRate is the largest rate per second: an interval must be a whole number of nanoseconds, and
// precise enough.
const maxRate = 1_000_000

// Validate returns an error that names the first field with an invalid value.
func (l Limits) Validate() error {
	set := l.WithDefaults()
	for _, rate := range []struct {
		field string
		value int
	}{{"Messages", set.Messages}, {"Requests", set.Requests}} {
		if rate.value > maxRate && rate.value != unlimited {
			return fmt.Errorf("chat: Limits.%s is %d per second; it must be at most %d, or negative for no limit", rate.field, rate.value, maxRate)
		}
	}
	if set.Uncommitted > set.AllUncommitted && set.Uncommitted != unlimited {
		return fmt.Errorf("chat: Limits.Uncommitted is %d for each user; it must be at most AllUncommitted, %d", set.Uncommitted, set.AllUncommitted)
	}
	return nil
}

// rates limit the requests of each user.
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

// delay implements session.Options.Delay: it delays the requests of a user above the rate. Only the
// connection waits. A message that would have to wait longer than maxDelay is refused after that time, by
// publish. So a connection costs the server little, however much it sends.
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

// messageRateError returns the error for a message above the rate.
func (c *Chat) messageRateError(wait time.Duration) error {
	c.counters.refused.Add(1)
	return wire.Errorf(wire.Busy, "too many messages: %d per second are allowed; try again in %.0f s", c.limits.Messages, max(1, wait.Seconds()))
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

// tooManyRequests returns the error for a request of the API above the rate.
func tooManyRequests(wait time.Duration) error {
	return &busyError{wait, "too many requests"}
}

// busyError is answered with status 429.
type busyError struct {
	wait   time.Duration
	reason string
}

func (e *busyError) seconds() int { return max(1, int((e.wait+time.Second-1)/time.Second)) }

func (e *busyError) Error() string {
	return fmt.Sprintf("%s; try again in %d s", e.reason, e.seconds())
}

// checkRoomLimits returns nil if a user, whose limit is rooms, may become a member of another room, and
// if the room may have another member; 0 stands for a room that does not exist yet. It returns nil too
// if the user is already a member. The limits are not exact: two requests at the same time may both
// be permitted.
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
		return errorf(http.StatusConflict, "the user is in %d rooms; at most %d are allowed", places, rooms)
	case members >= c.limits.Members:
		return errorf(http.StatusConflict, "the room is full: it has %d members, and may have at most %d", members, c.limits.Members)
	}
	return nil
}
