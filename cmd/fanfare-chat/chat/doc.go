// Package chat is the server's side of the chat: rooms that are live, and the HTTP API
// around them.
//
// # Order
//
// All that is said goes through one goroutine, the scribe: it takes what waits, has the
// store write it in one transaction, publishes the outcomes in the same order, and then
// answers those who wait. So what a client sees has been stored, all see a room in the
// order of its revisions, and while one transaction is written, the next gathers. Who
// sends a message holds a worker meanwhile: that is what slows down who sends too fast.
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
// None is held while the store or the hub is called, but scribe.mu, which who wants
// something written shares while handing it over. hub.Disconnect waits for a request of
// the connection that is under way: so it is called from requests of HTTP and from the
// sweeper, and never from a hook of package session.
package chat
