// Package chat is the server's side of the chat: rooms that are live, and the HTTP API
// around them.
//
// # Order
//
// All that is said goes through one goroutine, the commitLog: it takes what waits, has the
// store write it in one transaction, publishes the outcomes in the same order, and then
// answers those who wait. So what a client sees has been stored, all see a room in the
// order of its revisions, and while one transaction is written, the next gathers: of each
// user in turn, so that a user who says much keeps only themselves waiting.
//
// # What waits for the store
//
// No worker does, but for a bounded part of them with handshakes: a connection waits, and
// the worker goes on. Questions about who is in a room are asked by a few goroutines of
// their own (jobs), and requests of the API by those of net/http, a bounded number at a
// time, in turns of the users; they hold a place neither while the body comes nor while
// the answer is read. All that waits is bounded for each user and in total (Limits).
//
// # Who sees what
//
// A page has one connection at /hub, and subscribes to the rooms that its user is in;
// another client may have one room by its URL, at /rooms/ID. Both are asked for the
// store's word when they subscribe. A place in a room that ends, and a login that ends,
// end what is subscribed by walking through those who are; for what is being subscribed
// at that moment, the store, or the list of logins that have just ended, is asked once
// more when it has been. One of the two sees the other.
//
// # Locks
//
// None is held while the store or the hub is called. commitLog.mu and jobs.mu are leaves.
// hub.Disconnect waits for a request of the connection that is under way: so it is called
// from requests of HTTP and from the sweeper, and never from a hook of package session.
package chat
