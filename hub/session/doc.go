// Package session is the server's side of the subprotocol fanfare.v1, which package
// wire describes: one WebSocket with many topics.
//
//	h := hub.New(hub.Options{
//		Server: server,
//		Wrap:   session.Wrap, WrapPresence: session.WrapPresence, OnDrop: session.OnDrop,
//	})
//	server.Accept = session.New(h, session.Options{}).Accept
//
// # Order
//
// Requests are handled in the connection's turn, so one at a time and in their order,
// and the reply is written before the next is looked at. A subscription begins paused,
// and goes on when its reply has been written: so no message of it comes before that.
//
// # Back pressure
//
// A connection with much pending is not read (see netpoll), so its requests wait with
// the client. What is pending is bounded: a history that does not fit is answered with
// "unavailable"; if not even that fits the connection is closed with 1013 (try again
// later). Messages of topics are bounded by the limits of the topics.
//
// What was dropped is told at most once a second for each subscription, when the
// connection has drained, so that it adds nothing to what a slow client has to take.
//
// # Locks
//
// receiver.replying comes first: the hub's are taken under it. receiver.mu comes last: it
// is taken under the locks of a connection, and no method of any is called under it.
package session
