// Package wire has the messages of the subprotocol fanfare.v1: many topics on one WebSocket, in JSON. It
// encodes and decodes the messages of client and server, and knows nothing of sockets. Package
// session implements the server, package client a client in Go, and fanfare.js a client for
// browsers and Node. The protocol is described in cmd/fanfare/docs/protocol.md, or at
// https://github.com/fanfare-ws/fanfare/blob/main/cmd/fanfare/docs/protocol.md.
//
// The functions of this package may be called from any goroutine. Parsed values do not refer to
// the input. Append methods append to the slice that they are given, like append.
package wire
