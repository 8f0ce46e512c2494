// Package wshub connects WebSockets to a hub. It makes a connection a subscriber, builds
// encodings whose output is WebSocket messages, lets the hub run on the workers of a server, and
// maps the hub's close reasons to close codes.
//
// Each message is framed once for all connections, and compressed once for each set of
// permessage-deflate parameters (RFC 7692) in use. A server whose connections share a hub sends
// small messages to many of them in one system call (see netpoll.Burst).
package wshub
