package hub

import "sync/atomic"

// endAction is an action at the end of subscriptions.
type endAction interface {
	// ended is called once for each subscription. If later is true, a fan-out pass calls it,
	// and it must not block.
	ended(s *Subscription, later bool)
}

// closeAction closes the subscriber.
type closeAction struct{ CloseReason }

func (c *closeAction) ended(s *Subscription, _ bool) { s.to.Close(c.CloseReason) }

// completion calls then when all of several subscriptions have ended.
type completion struct {
	left   atomic.Int32
	then   func()
	blocks bool // then may block
}

func (f *completion) ended(_ *Subscription, later bool) {
	switch {
	case f.left.Add(-1) > 0:
	case later && f.blocks:
		go f.then()
	default:
		f.then()
	}
}
