// Package conns has the open connections whose identity can end: by the expiry of their token, or by a revocation. It also counts
// the connections of each user.
//
// # Memory
//
// A connection takes 19 bytes, 8 more each for a user and for a name (of the token, or the key), 4 more each for the expiry and
// for the time of issue, and each user that is connected about 16. Users and names are hashes with a secret key. Connections that
// have neither user nor token do not appear here. A test says what some kinds of connections take.
//
// # Ownership
//
// The owner of a connection adds it, keeps the [Handle], and removes it once. The registry calls [Target.End], and leaves
// it to the owner to remove the connection when it has closed. End may be called after Remove, because it is called
// without a lock, and then has no effect, as the connection has closed.
//
// A connection that is renewed at the moment at which it expires may be closed all the same.
//
// # Order
//
// There are 16 shards, each with a lock, and the connections of a user are in one shard. No two locks are held at a time, nothing
// is called under them, and none is held for a search of more than 1,024 connections, about 10 µs. Ends are collected under the lock, at most
// 128 at a time, and happen outside.
//
// # Time
//
// Expiry is a matter of the wall clock, as in tokens. One goroutine looks for connections that have expired: when the first one
// does, and every 5 seconds because the clock may have been set. It sleeps while no connection can expire. A clock that
// is set forward ends the connections that have expired by then; one that is set back brings none back.
package conns
