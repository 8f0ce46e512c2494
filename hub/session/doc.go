// Package session is the server's side of the subprotocol fanfare.v1: one WebSocket with many
// topics. Package wire has its messages.
//
//	h := hub.New(hub.Options{Workers: wshub.Workers(server)})
//	server.Accept = session.New(h, session.Options{}).Accept
//
// # Order
//
// The requests of a connection are handled one after the other, in order, and so are their
// replies. A subscription begins paused, and is resumed when its reply has been written, so no
// message of it precedes the reply. Publishes that wait for the program
// (Options.PublishAsync) or for the broker follow each other without waiting; their replies
// keep the order.
//
// # Tokens
//
// A client may send its token in its first message (see TokenFollows and Options.Authenticate).
// The connection then has no member, and is in no topic, until the program has answered; a session,
// the token and a timer are all that it takes, and nothing more is read from it. Any later token is
// a request like others. It replaces the value of the member; then Authorize is asked again for
// each subscription, before the reply. The hooks read the rights of a member with Member.Value.
//
// The endpoint ends no connection whose identity expires. The program does that, for all protocols
// at once, with Member.Disconnect and TokenExpired. It learns of members and their expiry by
// Options.Identified and Closed.
//
// # What waits
//
// Requests are handled in the connection's turn. If a request waits for the program, which is
// called with a done function, the turn ends, so that the wait holds neither a worker nor a
// lock. Later requests wait in the connection's queue, which a few goroutines process when the
// program has called done. A connection with too many waiting requests is held (see
// wsproto.Conn.Hold), so TCP slows the client down. If the requests of all connections
// together are too many, those that hold most get the error busy, or are not read. Requests
// of a connection that has closed do not count.
//
// # Limits
//
//	waiting requests of a connection      Options.MaxRequests, 64, or 256 KiB: it is not read
//	waiting requests in total             Options.MaxWaiting, 1/32 of the memory limit: busy
//	replies that are not read             netpoll.Options.MaxPending: unavailable, or closed with 1013
//	goroutines                            Options.Background, or 64: connections wait in their order
//	time to send a token, and to check it Options.AuthTimeout, 10 s: closed with 4401, or 1013
//	connections without a hello           Options.MaxUnauthenticated, one for each 64 KiB of the memory limit: refused (503)
//	length of a token                     wire.MaxToken, 8 KiB: bad-request
//	requests                              Options.Limit: rate-limited
//	name of a user                        255 bytes with its @: the handshake is refused
//	presence data of a connection         Options.MaxData, 4 KiB: the handshake is refused (413)
//	presence data in total                Options.MaxDataTotal, 1/64 of the memory limit: refused (503)
//	subscriptions, patterns, topics       see hub.Options: too-large, unavailable
//	messages in a reply                   wire.MaxHistory, 1,000, or 256 KiB: the reply has "more"
//
// # Back pressure
//
// A connection with much pending output is not read (see netpoll), so its requests wait with
// the client. The pending output is bounded: a history that does not fit is answered with
// "unavailable", and if not even that fits, the connection is closed with 1013 (try again
// later). Messages of topics are bounded by the limits of the topics.
//
// Drops are reported at most once a second for each connection, when the connection has
// drained, so that the reports add nothing to the backlog of a slow client.
//
// # Locks
//
// receiver.replying comes first. It guards the queue, and the moments at which the connection gets
// its member and closes. Replies are written under it, which takes locks of the hub and of the
// connection. It is released for each step of a request, which may call the program or wait for a
// broker: no function of the program is called under it, and nothing waits under it. workers.mu is a
// leaf. receiver.mu comes last: it is taken under the locks of a connection, and no method of a
// connection is called under it.
package session
