package hub

import "errors"

// ErrTooManyTopics is wrapped by errors of calls that would create more topics than Options
// allow.
var ErrTooManyTopics = errors.New("hub: too many topics")

// ErrClosed is returned by Subscribe after Shutdown has been called.
var ErrClosed = errors.New("hub: the hub has shut down")

// Errors of a [Member]. The returned errors wrap them, mostly with the name of the topic.
var (
	ErrSubscribed    = errors.New("hub: already subscribed")
	ErrNotSubscribed = errors.New("hub: not subscribed")
	ErrForbidden     = errors.New("hub: names that begin with @ are reserved for the topics of users")
	ErrTooMany       = errors.New("hub: too many subscriptions")
	ErrLeft          = errors.New("hub: the member has left")
)
