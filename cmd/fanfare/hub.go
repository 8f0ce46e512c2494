package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// hubPath is the endpoint of fanfare.v1.
const hubPath = "/hub"

// maxData is the largest presence data of a client, in bytes.
const maxData = 1024

func (a *app) newHub() {
	o := hub.Options{
		Workers: wshub.Workers(a.server),
		Topic:   a.cfg.topics.topicOptions(a.cfg.maxPending),
	}
	a.cfg.limits.hub(&o)
	a.hub = hub.New(o)
	all := session.Options{
		Identify: a.identify,
		MaxData:  maxData,
		// Each of the two endpoints has half of the default:
		MaxWaiting:   netpoll.MemoryLimit() / 64,
		MaxDataTotal: netpoll.MemoryLimit() / 128,
	}
	a.sessions = session.New(a.hub, all)
	all.Authorize = readOnly
	a.readers = session.New(a.hub, all)
}

// acceptSession accepts a fanfare.v1 client. A client that may not publish is a reader.
func (a *app) acceptSession(r *wsproto.Request) error {
	if a.policy.may(a.policy.handshake(r), publish, "") != nil {
		return a.readers.Accept(r)
	}
	return a.sessions.Accept(r)
}

// readOnly refuses requests of readers to publish.
func readOnly(_ *hub.Member, do, _ string) error {
	if do == wire.Publish {
		return wire.Errorf(wire.Forbidden, "publishing needs the API token: connect with Authorization: Bearer TOKEN or %s?token=TOKEN", hubPath)
	}
	return nil
}

// identify returns the identity of a client. It takes the user from a trusted proxy only, because the client itself could
// name any user; the client chooses its ?data=.
func (a *app) identify(r *wsproto.Request) (id hub.Identity, err error) {
	id.Owner = ownerOf(r.ClientAddr())
	if name := a.cfg.userHeader; name != "" && a.cfg.proxies.Trust(r.RemoteAddr().Addr()) {
		if n := len(r.Header.Values(name)); n > 1 { // the client may have sent one of them
			return id, wsproto.Refuse(http.StatusBadRequest, fmt.Sprintf("the request has %[2]d fields %[1]s; the proxy must replace the field that the client sends", name, n))
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
