package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// hubPath is where clients speak fanfare.v1.
const hubPath = "/hub"

// maxData is how much presence tells of a client, in bytes.
const maxData = 1024

func (a *app) newHub() {
	o := hub.Options{
		Server:       a.server,
		Topic:        a.cfg.topics.topicOptions(a.cfg.maxPending),
		Wrap:         session.Wrap,
		WrapPresence: session.WrapPresence,
		OnDrop:       session.OnDrop,
	}
	a.cfg.limits.hub(&o)
	a.hub = hub.New(o)
	all := session.Options{
		Identify: a.identify,
		MaxData:  maxData,
		// Each has half, so that both have what one has by default:
		MaxWaiting:   netpoll.MemoryLimit() / 64,
		MaxDataTotal: netpoll.MemoryLimit() / 128,
	}
	a.sessions = session.New(a.hub, all)
	all.Authorize = readOnly
	a.readers = session.New(a.hub, all)
}

// acceptSession accepts who speaks fanfare.v1: who may not publish is a reader.
func (a *app) acceptSession(r *wsproto.Request) error {
	if a.policy.may(a.policy.handshake(r), publish, "") != nil {
		return a.readers.Accept(r)
	}
	return a.sessions.Accept(r)
}

// readOnly is what readers may do.
func readOnly(_ *hub.Member, do, _ string) error {
	if do == wire.Publish {
		return wire.Errorf(wire.Forbidden, "publishing needs the server's token: connect with Authorization: Bearer TOKEN or %s?token=TOKEN", hubPath)
	}
	return nil
}

// identify says who connects: the user is the one that a trusted proxy in front names,
// since the client itself could name anybody; ?data= is the client's to say.
func (a *app) identify(r *wsproto.Request) (id hub.Identity, err error) {
	id.Owner = ownerOf(r.ClientAddr())
	if name := a.cfg.userHeader; name != "" && a.cfg.proxies.Trust(r.RemoteAddr().Addr()) {
		if n := len(r.Header.Values(name)); n > 1 { // one of them may be the client's
			return id, wsproto.Refuse(http.StatusBadRequest, fmt.Sprintf("%s: it is there %d times; a proxy has to replace what the client sends", name, n))
		}
		id.User = r.Header.Get(name)
		if id.User != "" && hub.CheckUser(id.User) != nil {
			return id, wsproto.Refuse(http.StatusBadRequest, name+": "+plain(hub.CheckUser(id.User)))
		}
	}
	if data := r.Query().Get("data"); data != "" {
		id.Data = json.RawMessage(data)
	}
	return id, nil
}
