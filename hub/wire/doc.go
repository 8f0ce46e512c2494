// Package wire is the subprotocol fanfare.v1: one WebSocket, many topics, JSON. It has
// what server and client say to each other, and no sockets; package session is the
// server's side, package client one in Go, and fanfare.js one for browsers and Node.
//
// # Messages
//
// Each is a text message with one JSON object. Members that are not known are ignored,
// so that more can come; their names differ by case, and of two with the same name the
// last counts, as in JavaScript. A whole number may be written as 5.0 or 5e0. The client sends requests; the server sends a hello first,
// then exactly one reply for each request, in their order, and events.
//
//	-> {"id":1,"do":"subscribe","topic":"news"}
//	<- {"id":1,"ok":{"topic":"news","position":"4x7k:12"}}
//	<- {"topic":"news","offset":13,"time":1764000000000,"data":{"text":"hello"}}
//
// id is chosen by the client, a whole number from 1 to 2^53-1, and comes back with the
// reply. The server does not look at its order; a request without id gets no reply
// but for an error, which then has no id.
//
// # Requests
//
//	subscribe    topic, or a pattern; after or last; presence
//	unsubscribe  topic
//	publish      topic, data; key; echo
//	history      topic; after or last; limit
//	presence     topic
//	ping         nothing
//
// "after" is a position, EPOCH:OFFSET, as a reply told it, with the offset of the last
// message that the client has got: it gets exactly what it missed since, and then what
// comes. If that is no longer held the error is too-old. "last" is a number: so many of
// the latest messages come first. Without them the subscription begins with the next
// message. The reply's "position" is where the subscription begins, and stands before
// all messages of the topic; each message tells its own offset, of the same epoch.
// A subscription by pattern gets the messages with the names of their topics; it has
// the pattern's own history, and positions of its own, which messages do not tell: so
// it cannot be resumed.
//
// "presence":true asks for who is in the topic, in the reply's "present", and for events
// when that changes, the client itself included. List and events fit together. A topic
// of which it is not kept who is there, as of a pattern, answers bad-request.
//
// "data" is any JSON value of at most 64 levels; it comes out as it went in, but for white
// space. All other strings must be of whole characters: "\ud800" alone is none. "key" is
// for topics that conflate. A client does not get what it publishes itself, unless
// "echo" is true; but a new connection is another client: if it resumes, or begins with
// history, it may get what it has published before, and can tell by the position that the
// reply had. The reply has the message's "position" and the number of
// "receivers"; it is sent when the message has its place in the topic.
//
// The reply to history has "messages", as they are events, and the "position" after the
// last of them, from which to go on. "more" is true if the topic holds more, because
// there are more than limit, which is 100 if it is not given and at most 1,000, or more
// than about 256 KiB. Without after and last it is about the latest. A topic that does not
// exist has no messages, and no position.
//
// The reply to presence has "present", a list of people:
//
//	{"id":"ada","data":...,"connections":2}   a user
//	{"id":"c9k2","anonymous":true}            a client without a user, by the name that its hello has
//
// data is what the client gave when it connected, if anything. Subscribe and events say
// the same, but for connections.
//
// Topics whose names begin with @ are those of users. What is sent to a user comes as a
// message of @USER to all connections of the user, without a subscription; nobody else
// gets it, and only the server and the user's own connections publish there.
//
// # Events
//
//	{"hello":{"protocol":"fanfare.v1","client":"c9k2","user":"ada"}}
//	{"topic":"news","offset":13,"time":1764000000000,"data":...}   a message; "key" if it has one
//	{"topic":"news","offset":14,"time":1764000000001,"text":"..."}  that was published as plain text
//	{"topic":"news","offset":15,"time":1764000000002,"base64":"..."} as binary
//	{"presence":"news","joined":[{"id":"ada","data":...}],"left":[{"id":"bob"}]}   one or both
//	{"dropped":"news","messages":7}   so many messages did not come: the client is slow
//	{"end":"news","code":1001,"reason":"..."}   the server has ended the subscription
//
// time is in milliseconds since 1970. A message that was published as JSON, through
// fanfare.v1 or over HTTP as application/json, has data; any other has text or base64.
// Text that consists of control characters mostly, which would be several times as long,
// comes as base64 too.
//
// dropped comes at most once a second for each subscription, and when the client has
// read what was sent. Messages that were superseded, in a topic that conflates, count.
// After the reply to unsubscribe nothing of the topic comes; after end, which the client
// did not ask for, a message that was under way may.
//
// # Errors
//
//	{"id":1,"error":{"code":"too-old","message":"...","oldest":"4x7k:3","latest":"4x7k:90"}}
//
// The message is for people. oldest and latest are missing if the topic is gone. The
// codes are
//
//	bad-request   the JSON, or a member of it, is not what it should be; the id comes back
//	              if it can be read
//	bad-topic     no topic or pattern can have that name
//	subscribed    the client has subscribed to that topic already
//	not-subscribed
//	too-old       what was published since is not held any more; oldest is where it begins
//	forbidden     the server does not let this client do that
//	too-large     the number of subscriptions, or of those by pattern
//	unknown       there is no such request
//	unavailable   the server cannot do it now; try again later
//	busy          the client, or its user, asks for too much at a time; try again later
//
// An error leaves the connection as it was. Only what is no JSON object at all, or
// binary, closes it, with 1007 or 1003; and a message that is larger than the server
// takes, with 1009. A client that does not read what it gets is closed with 1013.
package wire
