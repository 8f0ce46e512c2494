package wshub

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// CloseCode returns the close code (RFC 6455, 7.4, and IANA's registry) for a close reason of
// the hub: 1013 (try again later) if the subscriber was too slow, 1001 (going away) if the server
// shuts down, 1012 (service restart) if messages were lost between servers. Otherwise it is the
// program's code, or 1000 if the program has set none.
func CloseCode(why hub.CloseReason) wsproto.Code {
	switch why.Cause {
	case hub.TooSlow:
		return wsproto.TryAgainLater
	case hub.ShuttingDown:
		return wsproto.GoingAway
	case hub.MessagesLost:
		return wsproto.ServiceRestart
	}
	if why.Code == 0 {
		return wsproto.NormalClosure
	}
	return wsproto.Code(why.Code)
}
