// Package chat is the server of the chat: its rooms on the hub, and the HTTP API around them.
//
// # Order
//
// All changes to messages go through one goroutine, the commit log. It takes the waiting changes, has the store
// apply them in one transaction, publishes the outcomes in the same order, and then replies. So a
// message is stored before any client sees it, and all clients see a room in the order of its
// revisions. While one transaction is being written, the next batch gathers. A batch takes the
// changes of the users in turn, so a user who sends many delays only their own.
//
// # Waiting for the store
//
// No worker of the engine waits for the store, except for a bounded number that serve handshakes.
// Otherwise the connection is held and its worker goes on. A few goroutines check memberships
// (jobs). Requests of the API run on the goroutines of net/http; a bounded number of them may use
// the store at a time, in turns of the users. They do not occupy a place while their body is being
// received or their response is being sent. Everything that waits is bounded per user and in total
// (Limits).
//
// # Access
//
// A page has one connection, to /hub, and subscribes to the rooms of its user. Other clients may
// connect to a single room at /rooms/ID. Both ask the store for the membership when they subscribe.
// When a membership or a login ends, the chat ends the subscriptions or connections that exist. A
// subscription that is being established at that moment checks the store, or the list of recently
// ended logins, once more afterwards. At least one of the two checks sees the other.
//
// # Connections
//
// The open WebSockets of a user, and those from an address, are limited (Limits). A connection is counted
// when its handshake is accepted, and no longer when it has closed. One that exceeds a limit is opened
// and closed at once, with 1013 (try again later) and a reason.
//
// # Locks
//
// No lock is held during a call of the store or the hub. commitLog.mu, jobs.mu, endedLogins.mu and
// connLimits.mu are leaves. hub.DisconnectIf waits for a request of the connection that is in
// progress, so it is called from HTTP requests and from the sweeper, and never from a hook of package
// session.
package chat
