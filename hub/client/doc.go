// Package client is a client for Fanfare's subprotocol fanfare.v1 (see package wire). It
// multiplexes many topics over one connection, and reconnects when the connection breaks. The
// package example shows a server and a client.
//
// # Reconnection
//
// When the connection breaks, the client connects again after a random delay that grows with the
// number of attempts. It stays closed if the server has rejected it: with a close code of 1000,
// 1008, 1010, 3000, 3003 or 4403, or by refusing the handshake with status 401, 403 or 410. Any
// other failure may be temporary, or a gateway's. A Retry-After header of the server adds to the
// delay, up to ten minutes, and the close codes 1013 and 4429 add MinDelay. After 1001 and 1012,
// with which a server that stops closes all its connections, the first delay is up to twice
// MinDelay. Each attempt resolves the host again and tries all its addresses;
// with Options.Others it goes to another node.
//
// The client then resumes each subscription after the last message that it has received, so the
// handler gets every message of the topic once and in order. If the server no longer holds the
// missed messages, as for a topic without history, the client calls SubscribeOptions.OnGap and
// continues with those that the server holds. A subscription to a pattern cannot be resumed; it
// starts anew, with a gap.
//
// A call that has not been sent yet waits for the next connection until its context is done. A
// Publish that was in progress when the connection broke fails with [ErrLost], because the client
// cannot know whether the server has published the message. With PublishOptions.Retry the client
// publishes it again instead.
//
// # Tokens
//
// A client with Options.Token sends its token in its first message. The token belongs to the client,
// not to the connection: after the connection has broken, the client sends the same token again
// while it may be valid, so many clients that reconnect at once ask no backend for tokens. When
// the server says that it has refused the token, or that the token has expired (close code 4401),
// the client asks for another one before it connects again. It renews the token before it expires,
// on the same connection.
//
// # Unreadable messages
//
// The client skips a message of the server that it cannot parse, counts it and calls
// Options.OnUnreadable. If the message is a reply, its call fails with [ErrUnreadable]. A server
// of this module sends no such messages, because it accepts only JSON that every client can parse.
//
// # Callbacks
//
// The client calls message handlers and other callbacks one at a time, in the order of the server's
// messages, on a goroutine that exists while there are callbacks to run. They may block and may
// use the client. Messages that arrive meanwhile wait in memory, up to Options.Backlog. Beyond
// that the client stops reading the connection, so replies do not arrive either; in the end the
// server applies its limit for slow consumers.
//
// # Locks
//
// Client.mu guards the client, its subscriptions and its calls. callbackQueue.mu may be locked
// while Client.mu is held, but not the other way round. Requests are sent while Client.mu is held,
// which keeps them in the order of their ids.
package client
