package chat

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// connLimits counts the open connections of users and addresses. Its methods may be called from any
// goroutine.
type connLimits struct {
	perUser, perAddr int

	mu    sync.Mutex
	users map[int64]int
	addrs map[netip.Addr]*addrConns
}

// addrConns counts the connections from an address. Each connection has a pointer to it, which is smaller
// than the address and leads to the chat as well.
type addrConns struct {
	chat *Chat
	addr netip.Addr
	n    int // guarded by connLimits.mu
}

func newConnLimits(l Limits) connLimits {
	return connLimits{perUser: l.UserConns, perAddr: l.AddrConns, users: make(map[int64]int), addrs: make(map[netip.Addr]*addrConns)}
}

// countConn counts a connection of a user, or of no user if user is 0, from the address of a handshake.
// release must be called when the connection has closed. The error is meant for the client.
func (c *Chat) countConn(r *wsproto.Request, user int64) (*addrConns, error) {
	l, addr := &c.conns, netpoll.OwnerOf(r.ClientAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.addrs[addr]
	switch {
	case a != nil && a.n >= l.perAddr:
		return nil, fmt.Errorf("too many connections from this address: at most %d are allowed", l.perAddr)
	case user != 0 && l.users[user] >= l.perUser:
		return nil, fmt.Errorf("too many connections of this user: at most %d are allowed", l.perUser)
	}
	if a == nil {
		a = &addrConns{chat: c, addr: addr}
		l.addrs[addr] = a
	}
	a.n++
	if user != 0 {
		l.users[user]++
	}
	return a, nil
}

// release ends the count of a connection of a user.
func (a *addrConns) release(user int64) {
	l := &a.chat.conns
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.n--; a.n == 0 {
		delete(l.addrs, a.addr)
	}
	if user == 0 {
		return
	}
	if l.users[user]--; l.users[user] == 0 {
		delete(l.users, user)
	}
}

// countedConn is the handler of a counted connection.
type countedConn struct {
	wsproto.Handler
	addr *addrConns
	user int64 // 0: none
}

func (h *countedConn) OnClose(conn *wsproto.Conn, err *wsproto.CloseError) {
	h.Handler.OnClose(conn, err)
	h.addr.release(h.user)
}

// count makes h the handler of a connection and counts it, unless there are too many. In that case the
// connection is closed as soon as it is open: a browser does not tell a page why a handshake was
// refused, but it does tell the reason in a close frame.
func (c *Chat) count(r *wsproto.Request, h *countedConn) {
	var err error
	if h.addr, err = c.countConn(r, h.user); err != nil {
		r.Handler = c.refuseConn(err)
		return
	}
	r.Handler = h
}

// refuseConn returns the handler of a connection beyond a limit, which closes it with 1013.
func (c *Chat) refuseConn(err error) wsproto.Handler {
	c.counters.refused.Add(1)
	return &wsproto.Funcs{Open: func(conn *wsproto.Conn, _ *wsproto.Request) {
		conn.Close(wsproto.TryAgainLater, err.Error())
	}}
}
