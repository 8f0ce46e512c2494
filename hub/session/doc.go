// Package session is the server's side of the subprotocol fanfare.v1, which package
// wire describes: one WebSocket with many topics.
//
//	h := hub.New(hub.Options{Workers: wshub.Workers(server)})
//	server.Accept = session.New(h, session.Options{}).Accept
//
// # Order
//
// Requests of a connection are handled one after the other, in their order, and so are
// their replies. A subscription begins paused, and goes on when its reply has been written:
// so no message of it comes before that. Publishes that the program takes its time for
// (Options.PublishAsync) follow each other without waiting; their replies keep the order.
//
// # What waits
//
// Requests are handled in the connection's turn, until the program, asked with a done
// function, has not answered: the turn ends then, and no worker and no lock is held. What
// follows waits in the connection's queue, of which a few goroutines take care when the
// answer has come. A connection with too many requests that wait is held (see
// wsproto.Conn.Hold): TCP slows the client down. If all connections together have too many,
// those that hold most get the error busy, or are not read. What a connection that has closed
// still waits for does not count.
//
// # Limits
//
//	requests that wait, of a connection   Options.MaxRequests, 64, or 256 KiB: it is not read
//	requests that wait, in all            Options.MaxWaiting, 1/32 of the memory limit: busy
//	replies that are not read             netpoll.Options.MaxPending: unavailable, or closed with 1013
//	goroutines                            Options.Background, or 64: connections wait in their order
//	name of a user                        255 bytes with its @: the handshake is refused
//	data that presence tells, each        Options.MaxData, 4 KiB: the handshake is refused (413)
//	the same, in all                      Options.MaxDataTotal, 1/64 of the memory limit: refused (503)
//	subscriptions, patterns, topics       see hub.Options: too-large, unavailable
//	messages in a reply                   wire.MaxHistory, 1,000, or 256 KiB: the reply has "more"
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
// receiver.replying comes first: it guards the queue, and replies are written under it, which
// takes the hub's locks and a connection's. It is let go of for each step of a request, which
// may call the program, or wait for a broker: so no function of the program is called under
// it, nor is anything that waits. Since Member.Subscribe keeps the member's lock as it waits,
// nobody looks at the member's subscriptions under replying during a step that subscribes:
// ends of others are put into queue.ends until then. crew.mu is a leaf. receiver.mu comes last: it is taken under the locks
// of a connection, and no method of any is called under it.
package session
