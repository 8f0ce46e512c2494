// Package admin serves operators, on a listener of its own. It uses neither the engine nor the event loops, and so answers
// when these do not, for example with a profile that shows why.
//
// A [Server] bounds the connections, the size of a header, and the time that a request may take. What a request may do, and
// who may send it, is its handler's business. All functions may be called from any goroutine.
package admin
