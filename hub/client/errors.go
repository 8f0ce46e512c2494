package client

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Errors of calls, beside *wire.Error, which the server's are, and those of contexts.
// What is returned wraps them.
var (
	// ErrClosed: the client is closed, by Close or for the reason that Client.Err has.
	ErrClosed = errors.New("client: closed")
	// ErrLost: the connection broke after the request was sent and before its reply
	// came, so that nobody knows whether the server has done it.
	ErrLost = errors.New("client: the connection broke before the reply")
	// ErrBusy: too many calls, or bytes, wait already. The request was not sent.
	ErrBusy = errors.New("client: too much waits already")
	// ErrOverlap: another subscription of the client gets the same messages.
	ErrOverlap = errors.New("client: subscribed already")
	// ErrUnreadable: what the server has sent cannot be read.
	ErrUnreadable = errors.New("client: the server's message cannot be read")
	// ErrProtocol: what answered does not speak fanfare.v1.
	ErrProtocol = errors.New("client: the server does not speak " + wire.Protocol)
)

// permanent reports whether the server has said that it does not want this client: whatever
// else went wrong may be a gateway's, or pass, when a server is replaced for example.
func permanent(err error) bool {
	var refused *wsproto.HandshakeError
	var closed *wsproto.CloseError
	switch {
	case errors.As(err, &refused):
		return refused.Proxy == "" && slices.Contains(permanentStatus, refused.Status)
	case errors.As(err, &closed): // what this side closed for, a timeout for example, may get better
		return closed.Remote && slices.Contains(permanentCodes, closed.Code)
	}
	return false
}

var permanentStatus = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusGone}

var permanentCodes = []wsproto.Code{wsproto.NormalClosure, wsproto.PolicyViolation, wsproto.MandatoryExtension, unauthorized, forbidden}

// messageFaults are said of what one message was: it must not be sent again.
var messageFaults = []wsproto.Code{wsproto.ProtocolError, wsproto.UnsupportedData, wsproto.InvalidFramePayload, wsproto.MessageTooBig}

// Close codes of IANA's registry that RFC 6455 does not have.
const (
	unauthorized wsproto.Code = 3000
	forbidden    wsproto.Code = 3003
)

// overlap reports whether any topic matches both; each may be a pattern, or the name of
// a topic. The messages of two such subscriptions cannot be told apart.
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
