// Package cluster joins a program to a cluster through NATS. A [Link] is the broker of the program's hub. It also knows the
// state of the connection, for the program's readiness and figures, and writes the log about it.
//
// The hub looks for hub.Syncer, hub.Peers and hub.Unstorer in its broker, which a Link is, too.
//
// # Concurrency
//
// All methods may be called from any goroutine. OnLink and report are called by the broker, and do not block. The lock of a
// Link is a leaf, except that lines of the log are written under it, so that they are in order; a program's log must not wait.
package cluster
