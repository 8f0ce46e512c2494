package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

const (
	clientsPage       = 1000 // connections whose list is locked at a time
	mostSubscriptions = 1000 // of a client that are looked at
	mostShown         = 100  // of them, in a response
	mostSlowest       = 20   // subscribers of a topic
)

// party is what a connection does here.
type party struct {
	user, path string
	target     closable
	topic      *topicConn  // of a connection to a topic that has begun, or nil
	member     *hub.Member // of one to /hub, or nil
	visitor    *visitor    // or nil
}

// partyOf returns what a connection does. Any goroutine may call it.
func partyOf(c *wsproto.Conn) (p party) {
	h := c.Handler()
	if m := session.MemberOf(c); m != nil {
		v, _ := m.Value().(*visitor)
		return party{user: m.User(), path: hubPath, target: (*memberTarget)(m), member: m, visitor: v}
	}
	switch h := h.(type) {
	case *echo:
		return party{path: echoPath, target: (*echoTarget)(c)}
	case interface{ connection() *topicConn }:
		t := h.connection()
		p = party{user: t.user, visitor: t.visitor, target: (*echoTarget)(c)}
		if t.sub.Subscribed() {
			p.topic, p.path, p.target = t, topicsPath+t.sub.Topic(), t
		}
		return p
	}
	return party{target: (*echoTarget)(c)} // one to /hub that is not identified yet
}

// topics returns the number of subscriptions.
func (p *party) topics() int {
	switch {
	case p.member != nil:
		return p.member.Stats().Subscriptions
	case p.topic != nil:
		return 1
	}
	return 0
}

// clientOf describes an open connection, with a few system calls.
func clientOf(c *wsproto.Conn) (survey.Client, party, bool) {
	info, ok := c.Info()
	if !ok {
		return survey.Client{}, party{}, false
	}
	p := partyOf(c)
	client := survey.Client{
		ID: info.ID.String(), User: p.user, Path: p.path, Topics: p.topics(), Pending: info.Pending, Unacked: info.Unacked,
		Idle: info.Idle.Seconds(), BytesIn: info.BytesIn, BytesOut: info.BytesOut, RoundTrip: info.RTT.Seconds(),
		Retransmits: info.Retransmits, Subprotocol: info.Subprotocol, Compressed: info.Compressed, TLS: info.TLS,
	}
	switch {
	case p.visitor != nil && p.visitor.from().IsValid():
		client.Address = p.visitor.from().String()
	case info.Client.IsValid() && info.Client != netpoll.OwnerOf(info.Remote.Addr()):
		client.Address = info.Client.String() // behind a proxy
	case info.Remote.IsValid():
		client.Address = info.Remote.String()
	}
	return client, p, true
}

// partyNames are those of a connection that a query may contain: its user, and its addresses.
type partyNames [3]string

func namesOf(c *wsproto.Conn) (all partyNames) {
	p := partyOf(c)
	all[0] = p.user
	if at := c.RemoteAddr(); at.IsValid() {
		all[1] = at.String()
	}
	if p.visitor != nil && p.visitor.from().IsValid() {
		all[2] = p.visitor.from().String()
	}
	return all
}

// match reports whether one of the names contains what is looked for.
func (n *partyNames) match(q string) bool {
	return strings.Contains(n[0], q) || strings.Contains(n[1], q) || strings.Contains(n[2], q)
}

// waiting is a connection for which bytes wait.
type waiting struct {
	conn    *wsproto.Conn
	pending int
}

// slowest are the connections that match a query, those with most bytes pending first.
type slowest struct {
	query string
	found []waiting // at most survey.Most
	total int       // that match
}

// add adds a connection that matches.
func (s *slowest) add(w waiting) {
	s.total++
	if len(s.found) == survey.Most && w.pending <= s.found[survey.Most-1].pending {
		return
	}
	if slices.ContainsFunc(s.found, func(f waiting) bool { return f.conn == w.conn }) { // it may be on two pages
		s.total--
		return
	}
	i, _ := slices.BinarySearchFunc(s.found, w.pending, func(f waiting, n int) int {
		return cmp.Or(cmp.Compare(n, f.pending), -1) // behind its equals
	})
	s.found = slices.Insert(s.found[:min(len(s.found), survey.Most-1)], min(i, survey.Most-1), w)
}

// clients describes them.
func (s *slowest) clients() survey.Clients {
	all := survey.Clients{Total: s.total, Clients: []survey.Client{}}
	for _, f := range s.found {
		if c, _, ok := clientOf(f.conn); ok {
			all.Clients = append(all.Clients, c)
		}
	}
	return all
}

// scanClients is the survey.Scan of the server.
func (a *app) scanClients(queries []string) (all []survey.Clients) {
	by := make([]slowest, len(queries))
	named := false
	for i, q := range queries {
		by[i].query = q
		named = named || q != ""
	}
	for at := (netpoll.Cursor{}); ; {
		page, next := a.server.Page(at, clientsPage)
		for _, c := range page {
			var n partyNames
			if named {
				n = namesOf(c)
			}
			w := waiting{c, c.Pending()}
			for i := range by {
				if by[i].query == "" || n.match(by[i].query) {
					by[i].add(w)
				}
			}
		}
		if at = next; at == (netpoll.Cursor{}) {
			break
		}
	}
	for i := range by {
		all = append(all, by[i].clients())
	}
	return all
}

// listClients is GET /api/clients: those with most bytes pending, or of those with ?q= in user or address. Requests share the scans
// of all connections.
func (a *app) listClients(w http.ResponseWriter, r *http.Request) {
	_, limit, err := order(r, []string{""}, survey.Most)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	all, err := a.observation.conns.Find(r.Context(), r.URL.Query().Get("q"), limit)
	if err != nil {
		return // nobody waits for the answer any more
	}
	a.answer(w, http.StatusOK, all)
}

// findClient returns the connection that the path names; nil if it has answered that there is none.
func (a *app) findClient(w http.ResponseWriter, r *http.Request) *wsproto.Conn {
	id, err := netpoll.ParseConnID(r.PathValue("id"))
	if err != nil {
		a.fail(w, http.StatusBadRequest, plain(err))
		return nil
	}
	c := a.server.Find(id)
	if c == nil {
		a.fail(w, http.StatusNotFound, fmt.Sprintf("client %v is not connected any more", id))
	}
	return c
}

// inspectClient is GET /api/clients/{id}.
func (a *app) inspectClient(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	c := a.findClient(w, r)
	if c == nil {
		return
	}
	client, p, ok := clientOf(c)
	if !ok {
		a.fail(w, http.StatusNotFound, fmt.Sprintf("client %.40s is not connected any more", r.PathValue("id")))
		return
	}
	a.answer(w, http.StatusOK, survey.ClientDetails{Time: time.Now(), Client: client, Subscriptions: p.subscriptions()})
}

// subscriptions returns the subscriptions of a connection, those that are most behind first.
func (p *party) subscriptions() []survey.Subscription {
	all := []survey.Subscription{}
	switch {
	case p.topic != nil:
		all = append(all, subscription(&p.topic.sub))
	case p.member != nil:
		names := p.member.Topics()
		for _, name := range names[:min(len(names), mostSubscriptions)] {
			if sub := p.member.Subscription(name); sub != nil {
				all = append(all, subscription(sub))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b survey.Subscription) int {
		return cmp.Or(cmp.Compare(rank(b.Behind), rank(a.Behind)), cmp.Compare(b.Dropped, a.Dropped))
	})
	return all[:min(len(all), mostShown)]
}

// rank returns the place of a subscription in the order of those that are most behind: one of which that is not known may be
// behind, but others of its topic are more.
func rank(behind *int64) int64 {
	switch {
	case behind == nil:
		return 1
	case *behind == 0:
		return 0
	}
	return *behind + 1
}

// disconnectClient is DELETE /api/clients/{id}. The client gets what was published before.
func (a *app) disconnectClient(w http.ResponseWriter, r *http.Request) {
	code, reason, err := closing(r.URL.Query())
	if err != nil {
		a.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	c := a.findClient(w, r)
	if c == nil {
		return
	}
	p := partyOf(c)
	p.target.close(hub.CloseReason{Code: int(code), Text: reason})
	a.answer(w, http.StatusOK, map[string]any{"client": r.PathValue("id"), "closed": 1})
}

// subscription describes a subscription of a connection.
func subscription(s *hub.Subscription) survey.Subscription {
	all := survey.Subscription{Topic: s.Topic(), Dropped: s.Dropped()}
	if messages, known := s.Behind(); known {
		all.Behind = new(int64(messages))
	}
	return all
}

// slowSubscribers returns the subscribers of a topic that are most behind.
func (a *app) slowSubscribers(name string) []survey.Subscriber {
	all := []survey.Subscriber{}
	for _, slow := range a.hub.Slowest(name, mostSlowest) {
		to := slow.Subscriber
		if m, is := to.(*hub.Member); is {
			to = m.To()
		}
		socket, is := to.(interface{ WebSocket() *wsproto.Conn })
		if !is {
			continue
		}
		if c, _, open := clientOf(socket.WebSocket()); open {
			all = append(all, survey.Subscriber{Client: c, Behind: int64(slow.Messages), Dropped: slow.Dropped})
		}
	}
	return all
}
