// Package hub fans messages out: topics, their subscribers, and the order in which each
// subscriber gets the messages. It knows no protocol: an [Encoding], which belongs to a
// subscription, turns messages into bytes, and a [Subscriber] is anything that takes them
// without blocking. Package wshub has both for WebSockets.
//
// # One log, many positions
//
// A topic holds its messages once, in order, in a log. Each receiver is a position in it: a
// shard of subscribers, a subscriber that lags behind, a subscriber that resumes. The log
// drops messages that are behind all positions, except those that it keeps as history. A
// subscriber that lags behind by more than its topic allows does not hold messages back. So
// memory is bounded for each topic, whatever the number of slow subscribers, since they share
// what waits for them. It is also bounded for each [Member] over all its topics
// (Options.MaxBacklog), and for all topics together (Options.MaxMemory): beyond that the
// topics that hold most drop their oldest messages.
//
// What a topic keeps for subscribers with the policy DropNewest is part of that total. It
// counts once for all that share it, from when the log has dropped it. If it is this that
// exceeds the limit, those subscribers lose it, first in the topic where it is largest. A
// search for memory to free looks at all topics, so one that could free too little is
// repeated only when something has been freed, or when a sixteenth of the limit was added.
//
// What counts is what is held: a message's data and what refers to it. Encoded and compressed
// forms live as long as a message is on its way, or a slow subscriber waits for it. History
// is encoded anew for each subscriber that asks for it, a few segments at a time.
//
// # Encodings
//
// One topic serves subscriptions with any number of encodings: they share the log, the order,
// the history and the fan-out pass, and differ in bytes only. Each record has a slot for each
// encoding in use, and so has each batch. A slot is filled on first need, under the lock of
// that record or batch, so each record is encoded once, and each batch joined once, for each
// encoding. Presence is a value, an [Event], which an encoding turns into bytes unless it has
// no form for it. Drops and ends are reported to the subscriber: see [DropHandler] and
// [UnsubscribeHandler].
//
// # Fan-out
//
// The subscribers of a topic are divided into shards, one for each event loop. Publishing
// appends a message to the log and schedules the task of each shard. The task takes all
// messages that its shard has not got, joins them into a batch, and hands the batch to one
// subscriber after the other as a single write: this is a fan-out pass. Messages that are
// published during the pass go out in the same write to the subscribers that the pass has not
// reached yet, and by the next pass to the others. So batches form by themselves under load,
// and nothing is delayed when there is none. A delivery allocates nothing, each batch is
// joined once, and a pass looks for new messages only a few times.
//
// Subscribers that are connections get their writes in bursts, of 32 deliveries with one
// system call (see [ConnSubscriber], and netpoll.Burst for what that saves).
//
// A publisher that is faster than the fan-out is slowed down: when more than maxPending bytes
// wait for a shard, the publisher runs the pass itself, or waits for the one under way. A
// pass never blocks.
//
// # Order
//
// A message gets its sequence number and its place in the log under the topic's lock. A shard
// runs one pass at a time, and each begins where the one before has ended. A subscriber is
// either up to date, and gets the batch of the pass, or behind, and gets what follows its
// own position, in the same passes, until it is up to date. A subscription begins at the end
// of the log, or at an older place, and then it is behind. So a subscriber sees the messages
// of a topic in the order of their sequence numbers, each once: all messages after the
// position that Subscribe returned, until it unsubscribes, except those that were dropped,
// which are counted, and those that exclude it.
//
// # Endings
//
// The end of a subscription is an event in the topic's order, no matter whether the
// subscriber, the server, or the shutdown of the hub causes it. From then on the subscriber
// is not a receiver. What was published before is delivered before the connection is closed
// or the unsubscription acknowledged. So the number of receivers in a receipt is true, except
// for messages that are dropped and counted.
//
// A subscription that has left keeps its backlog: a piece of the log from its position on,
// which it shares with others as long as one of them needs it. It gets the backlog in the
// passes of its shard, as a subscriber that is behind does. A pass that is under way owns the
// subscription, so the end of the pass removes it; otherwise the caller does. Nobody waits for
// a slow subscriber longer than Options.EndTimeout; then the rest is dropped. The end of a
// connection is handled in the same way: it refuses what it is offered as closed, and is
// removed. A subscription ends once. A further end waits for the same backlog, so a member
// that is closed gets its backlog in the topics that it was leaving too.
//
// # Slow consumers
//
// A subscriber whose write is queued or refused is behind: it gets nothing until it has
// drained ([Subscriber].WhenDrained), and then what it missed, one segment of the log at a
// time, the same pieces as all others at that place. Meanwhile each pass that comes to it
// checks whether it lags behind by more than [Limit], and then applies the [SlowPolicy]. Two
// cases have their own rule. A subscriber that resumes may lag as far behind as the history
// reaches, until it is up to date for the first time. A subscriber that has drained and still
// refuses a message, again and again, is closed as too slow.
//
// The passes of a shard also find its slowest subscribers, which [Hub.Slowest] returns: they come to all that are behind
// anyway.
//
// A topic with the policy Conflate removes a message from the log when the next one with its
// key comes. Sequence numbers are not reused, so a gap between two messages is what was
// superseded, and counts as dropped for every subscriber that would have got it.
//
// # Patterns
//
// A pattern is a topic too, with subscribers and a log of the messages of all topics that
// match it. The records are shared; the offsets are the pattern's own. A topic has a list of
// the patterns that match it, and looks them up again, in a trie, when patterns have begun or
// ended since its last message. A message is appended to the topic's log and to theirs while
// the topic is locked. That is why a pattern's subscriber sees the messages of each topic in
// order, and all of them from some message on.
//
// # Members, users, presence
//
// A [Member] is a connection that takes part in many topics. It is the subscriber of all its
// subscriptions: those that wait for the connection to drain are collected and scheduled in
// turn, and a refusal that another subscription's backlog causes does not count against the
// one that was refused.
//
// A user is a topic, whose name is @ and the user's name, and whose subscribers are the
// user's connections. No pattern matches it, and other members cannot reach it.
//
// A topic tracks presence if TopicOptions.Presence says so. Events are gathered for 100 ms,
// and a person has left only after staying away for a while. Events are the messages of
// another topic, the presence topic, which has no valid name. So they come in order, and a
// slow client does not lose any, but is disconnected in the end. They are not ordered
// relative to the messages of the topic itself. The list at the beginning is the sum of all
// events before it, so a person who joined a moment ago comes as an event.
//
// # Notices
//
// Options.OnOccupied and OnPresence tell the program that a topic has got its first subscriber or
// lost its last one, and who has joined or left. A notice is added to one list under the lock that
// orders the events: Topic.mu, under which subscribers are counted, and presence.mu, under which
// people are announced. A topic ends under Topic.mu, and only then can another one of that name
// begin, so the order holds for the name. One goroutine takes the list and calls the functions
// under no lock. For a topic it reads the count at that moment and tells it if it is news, so the
// list has a topic at most once. The lock of the list comes last, and adding to it takes as long as
// an append.
//
// # Memory
//
// Bytes of heap, which tests measure:
//
//	a subscription
//	  Subscription    48
//	  places          19  in the lists of its shard and of its member, which grow by a quarter or more: 16 to 32
//	  in all          67
//
//	a topic with its only subscription
//	  Topic          288
//	  shard          112  one for each loop that has subscribers
//	  task            32  of the shard, such as a netpoll.Task
//	  Subscription    48
//	  name            16  a copy, of up to 16 bytes
//	  place by name   44  in the map of topics, whose tables are 44 % to 88 % full: 30 to 61
//	  place in order   9  in the index: 8 to 16
//	  lists           24  of shards, of the shard's subscribers, and of the member's subscriptions
//	  in all         573
//
//	a member of one topic
//	  Member         144
//	  Subscription    48
//	  lists           16  of its subscriptions, and its place in that of the shard: 16 to 20
//	  in all         208
//
// Where the topic tracks presence, a member takes 170 more (BenchmarkMemory). What a shard needs for subscribers that lag behind
// or leave is not in it, but in memory of its own, which exists meanwhile (coldShard).
//
// # Limits
//
// Whatever strangers can make the hub hold has a limit for each owner and in total: topics,
// patterns, subscriptions, presence, backlogs (see [Options]). Topics belong to an owner,
// which the program names, best a user or an address. No owner may have more than eight times
// what is free, so a few greedy owners cannot take everything: there is always room for
// others. Topics have an index by name, for listing them in pages.
//
// # Brokers
//
// With a [Broker] a hub is one of several nodes. A topic or pattern is joined when it begins
// here, and left when it ends. A message goes to the broker and comes back from it, at its own
// node too, and is appended to the log with the broker's offset; sequence numbers belong to
// this node. Each node encodes for itself. Publish waits until the broker has given the
// message its position, and Subscribe waits while a topic begins, so their callers must be
// goroutines that may wait. PublishAsync does not wait: any number of messages may be in
// flight, and they hold neither a worker nor a lock. Receipt.Receivers counts the subscribers at this
// node only.
//
// What a subscription asks for and the log does not hold is fetched once for all: everything
// that the broker has and the topic's options keep is inserted before the log, with sequence
// numbers that were reserved for it. If a position is ahead of the log, the messages up to it
// are fetched too. After an interruption each topic fetches what it missed. If the broker does
// not hold that, or it is more than 8 MiB, the topic continues after the gap, and its
// subscribers are closed with the cause MessagesLost, so that they resume and learn about the
// gap. If the broker cannot answer now, each topic asks again, until the broker has answered about
// none of them for Options.BrokerTimeout; then the topics that are left continue after the gap.
// Nothing is delivered meanwhile. While the connection to the broker is down, only topics that exist here can be
// subscribed to, and publishing fails.
//
// The messages of a topic with TopicOptions.Unstored pass through the broker without being stored,
// if the broker is an [Unstorer]. They have no offset there, so the topic's positions are this
// node's own, with an epoch of their own: a client that resumes at this node has missed nothing, or is
// told about a gap; at another node, or after the topic has ended, it is always told about a gap. What is
// published while the connection is down is lost. Therefore, when it is back, the topic begins anew, and its
// subscribers are closed with the cause MessagesLost. Stored messages, from nodes with other rules and to
// topics that an unstored pattern matches, get positions of the node too. A topic or pattern that
// gets an unstored message though its options do not say so closes its subscribers once, and has positions
// of the node from then on. Its name is remembered for that (strays), so that this does not repeat.
//
// Member.Unsubscribe and Shutdown wait until stored messages that any node published before
// them have arrived, if the broker is a [Syncer]. Hub.Disconnect and Tell are commands: messages of a topic that
// only the nodes have, and join before their first topic. The goroutine that delivers messages runs a
// command, so it comes after all that was published before it, at each node. A node that was not
// connected fetches the commands that it missed, after the topics have fetched their messages.
//
// If the broker is one of [Peers], presence is that of all nodes. Each node has an entry in its state
// for each person in a topic here: the number of connections and the data. The roster has these
// entries of all nodes, and a topic that is here gets the sum of the others'. So each node announces
// to its own subscribers who has come to the cluster and who has left it, and waits for the grace
// period itself. An entry of a topic that is not here is held in the roster only, counts for
// Options.MaxPresence, and is adopted when the topic begins. The entries of a node that has ended are
// removed, as if its people had left then. Options.OnPresence is called at one node only: see
// roster_notices.go.
//
// A message that excludes its publisher carries a token that the publisher's node created. If
// that node has forgotten the token, because the message comes back after minutes, or after
// more than 16,384 later ones, the publisher gets the message too.
//
// # Locks
//
// Hub.mu (the map of topics) comes before Topic.mu (the log, positions, the count of
// subscribers), which comes before the Topic.mu of a matching pattern, and both come before
// shard.mu (the list of subscribers, and those that have drained). No subscriber is called
// under any of them. Subscription.Schedule, which a subscriber calls under its own lock, takes
// shard.mu, and then only schedules a task.
//
// Member.mu (the list of subscriptions) and presence.telling (an event is on its way to the
// presence topic) come before all of these, in this order. presence.mu is taken under
// Topic.mu, and the presence topic's Topic.mu under telling. roster.mu is taken under presence.mu and
// Hub.mu, and Peers.SetState is called under it; knownNodes.mu and notices.mu come after it. What a
// peer has changed is put into the roster first, and then, under presence.mu alone, into the topic, if
// it is here. A topic that begins meanwhile reads the roster under Hub.mu, so it misses nothing, and
// since one goroutine takes the changes of all peers, the last number that a topic is told is the
// newest. drain.mu is taken under any lock, a connection's own included. leaving.mu, memory.mu,
// notices.mu, control.mu and strays.mu are taken under any lock too.
//
// Broker.Leave is called under Hub.mu and Topic.mu; the other methods of a broker are called
// under none of these. The lock of a record's or batch's forms comes last, a batch's before a
// record's; an Encoding is called under it.
//
// What a subscriber has got so far belongs to the pass under way in its shard, and needs no
// lock. Between passes it belongs to the holder of Topic.mu and shard.mu. A pass copies
// subscribers in small runs. During the pass, subscribers that leave stay in the list and are
// skipped, so that indexes do not change. The pass ends in one step, under Topic.mu and
// shard.mu: a publish, a drain or an end is either seen by that step or finds no pass under
// way.
//
// Actions at the end of a subscription run under no lock, and within a pass only if they
// cannot block: UnsubscribeHandler.OnUnsubscribe gets a goroutine then. No lock is held while
// a broker or a hook of the program is waited for: a subscription of a member that is under
// way is in a list of its own until it has begun (see Member.joined).
package hub
