// Package wire defines the subprotocol fanfare.v1: many topics on one WebSocket, in JSON. It
// encodes and decodes the messages of client and server, and knows nothing of sockets. Package
// session implements the server, package client a client in Go, and fanfare.js a client for
// browsers and Node.
//
// The functions of this package may be called from any goroutine. Parsed values do not refer to
// the input. Append methods append to the slice that they are given, like append.
//
// # Messages
//
// Each message is one JSON object in one WebSocket text message. A receiver ignores members that
// it does not know, so that later versions can add some. Member names are case-sensitive, and of
// two members with the same name the last one counts, as in JavaScript. An integer may be written
// as 5.0 or 5e0. The client sends requests. The server sends a hello first, then events and
// exactly one reply to each request, in the order of the requests.
//
//	-> {"id":1,"do":"subscribe","topic":"news"}
//	<- {"id":1,"ok":{"topic":"news","position":"4x7k:12"}}
//	<- {"topic":"news","offset":13,"time":1764000000000,"data":{"text":"hello"}}
//
// The client chooses the id, an integer from 1 to 2^53-1, and the reply repeats it. The server
// does not require ids to be in order. A request without an id gets no reply, except for an error,
// which then has no id either.
//
// # Requests
//
//	subscribe    topic, or a pattern; after or last; presence
//	unsubscribe  topic
//	publish      topic, data; key; echo
//	history      topic; after or last; limit
//	presence     topic
//	ping         no members
//	auth         token
//
// "after" is a position, EPOCH:OFFSET, as a reply contained it, with the offset of the last
// message that the client has received. The client gets exactly the messages that it has missed
// since, followed by new ones. If the topic no longer holds all of them, the error is too-old.
// "last" is a number: that many of the latest messages come first. Without "after" and "last" the
// subscription starts with the next message. The "position" in the reply is where the
// subscription starts, and the reply precedes all messages of the topic. Each message has its own
// offset, in the same epoch. A subscription to a pattern gets messages with the names of their
// topics. The pattern has its own history and its own positions, which messages do not contain;
// therefore it cannot be resumed.
//
// "presence":true asks for the list of people in the topic, which is "present" in the reply, and
// for an event at each change, including the client's own arrival. No change is missing between
// the list and the events. If presence is not enabled for the topic, as for a pattern, the error is
// bad-request.
//
// "data" is any JSON value of at most 64 levels. Subscribers get it unchanged, except for white
// space. All other strings must be valid Unicode: "\ud800" alone is not. "key" is for topics
// that conflate messages. A client does not get its own messages unless "echo" is true. A new
// connection counts as another client, however: when it resumes, or starts with history, it may
// get messages that an earlier connection published; it can recognise them by the position in the
// reply to publish. That reply has the message's "position" and the number of "receivers". The
// server sends it as soon as the message has its place in the topic.
//
// The reply to history has "messages", in the form of events, and the "position" after the last
// of them, from which the next request can continue. "more" is true if the topic holds further
// messages: the reply has at most limit messages (default 100, maximum 1,000), and at most about
// 256 KiB. Without "after" and "last" the reply has the latest messages. A topic that does not
// exist has no messages and no position.
//
// The reply to presence has "present", a list of people:
//
//	{"id":"ada","data":...,"connections":2}   a user
//	{"id":"c9k2","anonymous":true}            a client without a user, named as in its hello
//
// "data" is what the client supplied when it connected, if anything. The reply to subscribe and
// presence events have the same form, without "connections".
//
// A topic whose name begins with @ belongs to a user. A message to @USER reaches all connections
// of that user, without a subscription, and no other client. Only the server and the user's own
// connections may publish to it.
//
// # Tokens
//
// A client that has a token sends it in a message, so that it appears in no URL and no log. The
// URL of its handshake has the parameter auth=message, and its first message is
//
//	{"id":1,"do":"auth","token":"..."}
//
// The server waits for it for a limited time, 10 seconds by default, and sends nothing before. If
// the token is valid, the hello follows, and then the reply. Otherwise the server closes the
// connection: with 4401 if there is no valid token, if another message comes first or if the time
// is over, with 4403 if the token's owner may not connect, and with 1013 if the server cannot
// check it at the moment. The server must support tokens, or it refuses the handshake (400).
//
// "expires" in the hello and in the reply to auth is the time in milliseconds until the token
// expires, counted from the moment when the server sends it; it is missing if the token does not
// expire. When the time is over, the server closes the connection with 4401. Before that, the
// client can send another auth request with a new token of the same user, whatever way it was
// identified. The connection and its subscriptions then go on, with the rights and the expiry of
// the new token. A subscription for which the right is gone ends with code 4403. The name,
// presence data and owner of the connection do not change. If the request fails, what the client
// had before remains. The error is unauthorized if the token is invalid or has expired, and
// forbidden if it belongs to another user.
//
// A token does not belong to a connection. A client that reconnects sends the same token again
// while it is valid.
//
// # Events
//
//	{"hello":{"protocol":"fanfare.v1","client":"c9k2","user":"ada","expires":3600000}}
//	{"topic":"news","offset":13,"time":1764000000000,"data":...}      a message; with "key" if it has one
//	{"topic":"news","offset":14,"time":1764000000001,"text":"..."}    a message published as text
//	{"topic":"news","offset":15,"time":1764000000002,"base64":"..."}  a message published as binary
//	{"presence":"news","joined":[{"id":"ada","data":...}],"left":[{"id":"bob"}]}   one of the lists or both
//	{"dropped":"news","messages":7}   7 messages were dropped, because the client is slow
//	{"end":"news","code":1001,"reason":"..."}   the server has ended the subscription
//
// "time" is in milliseconds since 1970. A message that was published as JSON, through fanfare.v1
// or over HTTP as application/json, has "data"; any other has "text" or "base64". A text that
// consists mostly of control characters would become several times as long, and is sent as base64
// instead.
//
// The server sends "dropped" at most once a second for each subscription, once the client has
// read what was sent before. Superseded messages of a topic that conflates are included in the
// count. No message of the topic follows the reply to unsubscribe. After "end", which the client
// did not ask for, a message that was already on its way may still come.
//
// # Errors
//
//	{"id":1,"error":{"code":"too-old","message":"...","oldest":"4x7k:3","latest":"4x7k:90"}}
//
// "message" is meant for people. "oldest" and "latest" are missing if the topic no longer exists.
// "retry" is the time in milliseconds after which the client may try again, mostly for
// rate-limited.
// The codes are
//
//	bad-request   the JSON or one of its members is invalid; the reply has the id if it is valid
//	bad-topic     no topic or pattern can have that name
//	subscribed    the client is already subscribed to that topic
//	not-subscribed
//	too-old       the topic no longer holds all messages since; it holds those after oldest
//	forbidden     the server does not permit this to the client
//	too-large     the client has too many subscriptions, or too many to patterns
//	unknown       there is no such request
//	unavailable   the server cannot do it at the moment; try again later
//	busy          the client, or its user, has too many requests in progress; try again later
//	rate-limited  the client, its user or the topic has had too many requests; try again after retry
//	unauthorized  the token is invalid or has expired; try again with another one
//
// An error leaves the connection open. The server closes it for a message that is not a JSON
// object (1007), is binary (1003), or is larger than the server's limit (1009), if the client
// does not read fast enough (1013), and with the codes
//
//	4401  the token has expired or was revoked, or there is none: reconnect with another one
//	4403  the client may not connect any more: do not reconnect
//	4429  the client sends too much: reconnect later
package wire
