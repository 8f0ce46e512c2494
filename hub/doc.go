// Package hub fans messages out: topics, their subscribers, and the order in which
// each subscriber gets what. It knows no protocol: an [Encoding], which belongs to a
// subscription, makes bytes of a message, and a [Subscriber] is anything that takes them
// without blocking. Package wshub has both for WebSockets.
//
// # One log, many positions
//
// A topic holds its messages once, in a log, in their order. Those who get them are
// positions in it: each shard of subscribers, each subscriber that lags behind, and
// each that comes back and resumes. The log forgets what is behind all of them, but for what
// it is to keep as history; a subscriber that lags behind by more than its topic
// allows is no reason to keep anything. So memory is bounded for each topic, whatever
// the number of those who are slow: they share what waits for them. It is bounded for each
// [Member] too, over all its topics (Options.MaxBacklog), and for all topics together
// (Options.MaxMemory): beyond that the topics that hold most forget their oldest messages.
// What a topic keeps for those who drop the newest is a part of that, and counts once for all
// who share it, from when the log has forgotten it; if it is this that is too much, they lose
// it, first in the topic where it is most. A pass looks at all topics, so one that could free
// too little is repeated only when something has been freed, or a sixteenth of the limit came.
//
// What counts is what is held: a message's data and what refers to it. Encoded and
// compressed forms live as long as a message is on its way, or a slow subscriber waits for it.
// As history it is encoded anew for each subscriber that asks for it, a few segments at a time.
//
// # Encodings
//
// One topic serves subscriptions with any number of encodings: they share the log, the order,
// the history and the fan-out pass, and differ in bytes only. A record has a slot for each
// encoding in use, and so has a batch. A slot is filled on first need, under the lock of that
// record or batch, so that each record is encoded once, and each batch joined once, for each
// encoding. Presence is a value, an [Event], which an encoding turns into bytes, or has no form
// for. Drops and ends are told to the subscriber: see [DropHandler] and [UnsubscribeHandler].
//
// # Fan-out
//
// A topic's subscribers are grouped by event loop. A message is appended to the log; then the
// task of each shard is scheduled.
// It takes all that its shard has not got, joins it, and hands it to one subscriber
// after the other as a single write: that is a walk. While it lasts, the next messages
// gather, and go to those who are still to come in the same write: so batches form by
// themselves under load, and nothing is delayed when there is none. Those who were visited
// before get them by the next walk. A delivery allocates nothing; each batch is joined
// once, and a walk looks for what is new a few times only.
//
// Subscribers that are connections get theirs in bursts, of 32 deliveries with one system
// call (see [ConnSubscriber], and netpoll.Burst for what that saves).
//
// A publisher that is faster than the fan-out is slowed down: when more than
// maxPending bytes wait for a shard it takes part in the walk, or waits for the
// one under way, which never blocks.
//
// # Order
//
// A message gets its number under the topic's lock, and with it its place in the log.
// A shard has one walk at a time, which goes on where the one before has ended; and a
// subscriber is either up to date, and gets what the walk hands out, or behind, and
// gets what follows its own position, in the same rounds, until it is up to date. It
// begins at the end of the log, or at an older place, and then behind. So it sees the
// messages of a topic in the order of their numbers, each once: all after the position
// that Subscribe returned, until it unsubscribes, but for those that were dropped,
// which are counted, and those from which it was excepted.
//
// # Endings
//
// The end of a subscription is an event in the topic's order, whoever ends it: the
// subscriber, the server, or the shutdown of the hub. From then on the subscriber is no
// receiver. What was published before is delivered before the connection is closed, or the
// unsubscription acknowledged. So a receipt's number of receivers is true, but for what is
// dropped and counted.
//
// A subscription that has left keeps what it has yet to get, from its position on, a piece of
// the log that it shares with others as long as one of them needs it. It gets that in the
// rounds of its shard, by the way of one that is behind. A round that is under way owns the subscription, so it takes it out at its end;
// else the caller does. Nobody waits for a slow subscriber, but for Options.EndTimeout: then
// the rest is dropped. The end of a connection is no other event: what it is offered it
// refuses as closed, and then it is gone. A subscription ends once. Whatever ends it again
// waits for the same rest: so a member that is closed has got what it was owed of the topics
// that it was leaving too.
//
// # Slow consumers
//
// A subscriber whose write is queued, or refused, is behind: it gets nothing until it
// has drained ([Subscriber].WhenDrained), and then what it missed, a segment of the log
// at a time, the same pieces as all others who are there. Meanwhile each walk that
// passes it by sees whether it lags behind by more than [Limit], and if so does what
// [SlowPolicy] says. Two more have their own rule: one that resumes may be as far behind as history
// reaches, until it is up to date for the first time; and one that has drained and still
// refuses a message, again and again, is closed as too slow.
//
// A topic that conflates takes a message out of the log when the next one with its key
// comes. Numbers are not given anew; so what is missing between two messages is what
// was superseded, and counts as dropped for everybody who would have got it.
//
// # Patterns
//
// A pattern is a topic too, with subscribers and a log, of the messages of all topics
// that match it: their records are shared, offsets are its own. A topic knows the
// patterns that feed on it, and looks them up anew, in a trie, when patterns have come
// or gone since its last message. A message is appended to the topic's log and
// to theirs while the topic is locked; that is why a pattern's subscriber
// sees the messages of each topic in their order, and of each all from some message on.
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
// messages of another topic, a presenceTopic that no name reaches, so they come in order,
// and a slow client loses none, but is disconnected in the end; they are not in step
// with the messages of the topic itself. The list at the beginning is the sum of all
// events before it: so who came a moment ago comes as an event.
//
// Heap: 66 bytes for a subscription of a member to a topic that exists (48 for the
// Subscription, the rest for places in lists), 590 with the topic if that is its only
// one; 266 for a member of one topic, with that subscription and a Member of 144; 170
// more where presence is kept (BenchmarkMemory).
//
// # Who may have how much
//
// What strangers can make the hub hold has a limit for each, and in total: topics, patterns,
// subscriptions, who is present, backlogs (see [Options]). Topics belong to an owner, which
// the program names: best a user, or an address. Of what is free nobody may have more than
// eight times as much. So a few who take what they can never take all: there is always room
// for others. Topics have an index in the order of their names, for pages of them.
//
// # Brokers
//
// With a [Broker] a hub is one of several nodes. A topic or pattern is joined when it
// begins here and left when it ends. A message goes to the broker and comes back from it,
// at its own node too, and is appended to the log with the broker's offset; numbers stay
// those of this node. Each node encodes for itself. Publish waits for the broker to give
// the message its position, and Subscribe while a topic begins, so their callers must be
// goroutines that may wait. PublishAsync does not wait: any number of messages may be in
// flight, and hold neither a worker nor a lock. Receipt.Receivers counts those at this node, and presence
// knows those alone.
//
// What a subscription asks for and the log does not hold is fetched once, for all: all
// that the broker has and the topic's options keep is put before the log, in numbers that
// were left for it. A position ahead of the log has what is between fetched too. When
// the link was down, each topic gets what it missed; if the broker does not hold it, or
// it is more than 8 MiB, the topic goes on after the gap, and its subscribers are
// closed with 1012 (service restart), so that they come back and are told. While the link
// is down, what is here can be subscribed to, and all else is refused.
//
// Hub.Disconnect, Member.Unsubscribe and Shutdown wait until what was published before them
// at any node has come, if the broker can tell (see [Syncer]).
//
// The sender of a message is left out by a token that its own node gave it. If that is
// forgotten, because the message comes back after minutes, or more than 16,384 later
// ones, the sender gets it too.
//
// # Locks
//
// Hub.mu (the map of topics) before Topic.mu (the log, positions, the count of
// subscribers) before that of a pattern that it feeds, and both before shard.mu (the
// list of subscribers, who has drained). No subscriber is called under any of them:
// Subscription.Schedule, which a subscriber calls under its own lock, takes shard.mu,
// and then only schedules a task.
//
// Member.mu (which subscriptions there are) and presence.telling (an event is on its
// way to the presenceTopic) come before all of them, in this order; presence.mu is taken
// under Topic.mu, the presenceTopic's under telling; drain.mu is taken under any, and under
// a connection's own. leaving.mu and memory.mu are taken under any too.
//
// Broker.Leave is called under Hub.mu and Topic.mu, the other methods of a broker under
// none of these. The lock of a record's or a batch's forms comes after all; an Encoding is
// called under it.
//
// What a subscriber has got so far belongs to the round under way in its shard, and needs
// no lock; while there is none, to the holder of Topic.mu and shard.mu. A walk copies
// subscribers in small runs; while it lasts those who leave stay in the list, and are passed
// by, so that places do not change under it. It ends in one step, under Topic.mu and
// shard.mu: what is published, drained or left is seen by that step, or finds no round under
// way.
//
// What is done when a subscription has ended is done under no lock, and within a round only
// if it cannot block: UnsubscribeHandler.OnUnsubscribe gets a goroutine then. No lock is held
// while a broker, or a hook of the program, is waited for: a subscription of a member that is
// under way stands in a list of its own until it has begun (see Member.joined).
package hub
