// Package wshub connects WebSockets to a hub: a connection as a subscriber, encodings
// whose messages are WebSocket messages, the workers of a server, and the close codes for
// the hub's reasons.
//
// Each message is framed once for all connections, and compressed once for each set of
// parameters of permessage-deflate (RFC 7692) in use. A server whose connections share a
// hub sends small messages to many of them in one system call (see netpoll.Burst).
package wshub
