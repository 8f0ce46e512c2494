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
// # Locks
//
// Hub.mu (the map of topics) before Topic.mu (numbers, the count of subscribers)
// before group.mu (the list of subscribers, what is pending). No subscriber is
// called under any of them. A walk copies subscribers in small runs; while it
// lasts, those who leave leave a hole, so that places do not change under it.
//
// A publisher that is faster than the fan-out is slowed down: when more than
// maxPending bytes wait for a group it takes part in the walk, or waits for the
// one under way, which never blocks.
package hub
