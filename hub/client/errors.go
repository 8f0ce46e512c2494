package client

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Errors of calls; returned errors wrap them. A call can also fail with a *wire.Error from the
// server, and with the cause of its context. If the code of a *wire.Error is wire.RateLimited, the
// call may succeed after its RetryAfter; its Temporary reports whether it may succeed at all.
var (
	// ErrClosed means that the client is closed, by Close or for the reason that Client.Err
	// returns.
	ErrClosed = errors.New("client: closed")
	// ErrLost means that the connection broke after the request was sent and before the reply
	// arrived. The server may or may not have executed it.
	ErrLost = errors.New("client: connection lost before the reply")
	// ErrBusy means that too many calls, or too many bytes, are waiting. The request was not
	// sent.
	ErrBusy = errors.New("client: too many requests in progress")
	// ErrOverlap means that another subscription of the client receives the same messages.
	ErrOverlap = errors.New("client: already subscribed")
	// ErrUnreadable means that a message of the server could not be parsed.
	ErrUnreadable = errors.New("client: unreadable message from the server")
	// ErrUnauthorized means that the client has no valid token and gets none. An error of
	// Options.Token that wraps it says that there will be none.
	ErrUnauthorized = errors.New("client: there is no valid token")
	// ErrProtocol means that the server does not speak fanfare.v1.
	ErrProtocol = errors.New("client: the server does not speak " + wire.Protocol)
)

// permanent reports whether the server has rejected the client. Any other failure may come from a
// gateway, or be temporary, for example while a server is being replaced.
func permanent(err error) bool {
	var refused *wsproto.HandshakeError
	var closed *wsproto.CloseError
	switch {
	case errors.Is(err, ErrUnauthorized):
		return true
	case errors.As(err, &refused):
		return refused.Proxy == "" && slices.Contains(permanentStatus, refused.Status)
	case errors.As(err, &closed): // if this side closed, for a timeout for example, another attempt may succeed
		return closed.Remote && slices.Contains(permanentCodes, closed.Code)
	}
	return false
}

var permanentStatus = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusGone}

var permanentCodes = []wsproto.Code{wsproto.NormalClosure, wsproto.PolicyViolation, wsproto.MandatoryExtension, unauthorized, forbidden, wire.CloseForbidden}

// messageFaults are close codes that complain about a message, which must not be sent again.
var messageFaults = []wsproto.Code{wsproto.ProtocolError, wsproto.UnsupportedData, wsproto.InvalidFramePayload, wsproto.MessageTooBig}

// Close codes from the IANA registry that RFC 6455 does not define.
const (
	unauthorized wsproto.Code = 3000
	forbidden    wsproto.Code = 3003
)

// overlap reports whether any topic matches both a and b, each of which is a pattern or the name
// of a topic. The client could not tell the messages of two such subscriptions apart.
func overlap(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		switch {
		case x == ">" || y == ">":
			return true
		case x != y && x != "*" && y != "*":
			return false
		case !moreA || !moreB:
			return moreA == moreB
		}
		a, b = restA, restB
	}
}
