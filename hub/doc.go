// Package hub fans messages out: topics, their subscribers, and the order in which
// each of them gets what. It knows no sockets and no frames: a [Subscriber] is
// anything that takes a prepared message without blocking, such as a
// *wsproto.Conn.
//
// # Fan-out
//
// A topic's subscribers are grouped by event loop. A message is encoded once, by
// its publisher, and appended to what is pending for each group; then the group's
// task is scheduled. The task takes all that is pending, joins it, and hands it to
// one subscriber after the other as a single write. While it writes, the next
// messages gather: so batches form by themselves under load, and nothing is
// delayed when there is none.
//
// # Order
//
// A message gets its number under the topic's lock, and is appended to all groups
// under it; a group has one walk at a time. So every subscriber sees the messages
// of a topic in the order of their numbers, each once: the messages after the
// number that the topic had when it subscribed, and until it unsubscribes or is
// evicted.
//
// A subscriber that refuses a message because its backlog is over its limit is
// evicted: closed with 1013 (try again later) and counted. It keeps what it took.
//
// # Members, users, presence
//
// A [Member] is a connection that takes part in many topics. It is the subscriber of
// all its subscriptions: those that wait for the connection to drain are collected and
// told in turn, and what one of them was refused because of another does not count as
// its own fault.
//
// A user is a topic, whose name is @ and the user's, and whose subscribers are the
// user's connections. No pattern matches it, and no other member can reach it.
//
// Who is in a topic is kept where TopicOptions.Presence says so. Events are gathered
// for 100 ms, and somebody has left only after staying away for a while. They are the
// messages of another topic, a companion that no name reaches, so they come in order,
// and a slow client loses none, but is disconnected in the end; they are not in step with the messages
// of the topic itself. The list at the beginning is the sum of all events before it:
// so who came a moment ago comes as an event.
//
// Heap: 66 bytes for a subscription of a member to a topic that exists (48 for the
// Subscription, the rest for places in lists), 550 with the topic if that is its only
// one; 266 for a member of one topic, with that subscription and a Member of 192; 170
// more where presence is kept (BenchmarkMemory).
//
// # Locks
//
// Hub.mu (the map of topics) before Topic.mu (numbers, the count of subscribers)
// before group.mu (the list of subscribers, what is pending). Member.mu (which
// subscriptions there are) and presence.telling (an event is on its way to the companion)
// come before them, in this order; presence.mu is taken under Topic.mu, the companion's
// under telling; drain.mu is taken under any, and a connection's own. No subscriber is
// called under any of them. A walk copies subscribers in small runs; while it
// lasts, those who leave leave a hole, so that places do not change under it.
//
// A publisher that is faster than the fan-out is slowed down: when more than
// maxPending bytes wait for a group it takes part in the walk, or waits for the
// one under way, which never blocks.
package hub
