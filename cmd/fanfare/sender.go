package main

import (
	"log/slog"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Senders of messages are named in lines of the log. A message above a rate makes such a line only now and then, so they are
// slog.LogValuers: what a name costs, which may be system calls, is paid for lines that are written.
type (
	connSender   wsproto.Conn
	memberSender hub.Member
)

// LogValue is the method of slog.LogValuer.
func (s *connSender) LogValue() slog.Value {
	c := (*wsproto.Conn)(s)
	p := partyOf(c)
	if p.member != nil {
		return (*memberSender)(p.member).LogValue()
	}
	return sentBy(addressOf(c, p.visitor), p.user)
}

// LogValue is the method of slog.LogValuer.
func (s *memberSender) LogValue() slog.Value {
	m := (*hub.Member)(s)
	return sentBy(fromOwner(m.Owner()), m.User())
}

// LogValue is the method of slog.LogValuer.
func (p *publisher) LogValue() slog.Value { return sentBy(fromClient(p.client), p.user) }

// sentBy returns the attributes of a sender: where it is, unless that is not known, and its user, if it has one.
func sentBy(from slog.Attr, user string) slog.Value {
	if user == "" {
		return slog.GroupValue(from)
	}
	return slog.GroupValue(from, slog.String("user", user))
}

// addressOf returns where the client of a connection is. v may be nil.
func addressOf(c *wsproto.Conn, v *visitor) slog.Attr {
	if v != nil && v.from().IsValid() {
		return fromClient(v.from())
	}
	info, ok := c.Info()
	switch {
	case !ok:
		return slog.Attr{}
	case info.Client.IsValid(): // which counts, also behind a proxy
		return fromOwner(info.Client.String())
	}
	return fromClient(info.Remote.Addr())
}
