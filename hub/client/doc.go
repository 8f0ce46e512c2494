// Package client is a client of Fanfare's subprotocol fanfare.v1 (see package wire):
// one connection with many topics, that is kept up. The example of the package shows a
// server and a client.
//
// # Reconnection
//
// When the connection breaks the client connects again, after a random time that grows
// with the attempts, unless the server has said that it does not want it: by the close
// codes 1000, 1008, 1010, 3000 and 3003, or by refusing the handshake with 401, 403 or 410.
// All else may be a gateway's, or pass. If the server tells when to come back, by
// Retry-After, that time is added, up to ten minutes; after 1013 that of MinDelay. Each
// attempt looks the host up again, and tries all its addresses. Each
// subscription is resumed after the last message that came, so its handler gets the
// messages of a topic in order and each once. If the server does not hold any more what
// was missed, as for a topic without history, SubscribeOptions.OnGap is told, and it
// goes on with what is held. Subscriptions by pattern begin anew, with a gap.
//
// Calls that the server has not got yet wait for the next connection, as long as their
// context lasts. A Publish that was under way when the connection broke fails with
// [ErrLost], for nobody knows whether the message was published, unless
// PublishOptions.Retry has it published again.
//
// # What cannot be read
//
// A message of the server's that cannot be read is skipped, counted and told (see
// Options.OnUnreadable); if it is a reply, its call fails with [ErrUnreadable]. A server
// of this module sends none: it takes no JSON that others could not read.
//
// # Callbacks
//
// Handlers and the other callbacks of a client are called one at a time, in the order
// of what the server said, on a goroutine that lives as long as there are any to call.
// They may block and use the client. Meanwhile what comes waits in memory, up to
// Options.Backlog; then the connection is not read, so that replies do not come either,
// until the server's limit for slow consumers is reached.
//
// # Locks
//
// Client.mu guards the client, its subscriptions and its calls. queue.mu comes after
// it. Messages are sent under Client.mu, which keeps them in the order of their ids.
package client
