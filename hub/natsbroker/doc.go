// Package natsbroker joins the nodes of a cluster through NATS JetStream: a [Broker] is the
// [hub.Broker] of one hub. It needs nats-server 2.14 or later, with JetStream.
//
// # The stream
//
// All messages of all topics are in one stream, and a message's sequence number there is its
// offset. There are no consumers. The stream publishes each message again, with its number, as a
// plain NATS message (RePublish), and a node subscribes to the topics that it has joined. So a
// message costs its publisher the same no matter how many nodes have joined its topic.
//
// A prefix begins all subjects, so several clusters can use the same servers:
//
//   - PREFIX.in.t.TOPIC: messages, as the stream stores them
//   - PREFIX.in.p.NODE: probes of a node, see below
//   - PREFIX.in.e: the record of the epoch
//   - PREFIX.in.c: ticks of a clock, one a minute
//   - PREFIX.in.n.NODE: the record of a node, which is its lease
//   - PREFIX.out.…: copies of all these, and messages that are not stored, see below
//   - PREFIX.peer.NODE, PREFIX.ask.NODE: what a node tells and asks all others, not stored
//   - PREFIX.to.NODE.FROM: what a node sends to one other, not stored
//
// A node also asks $JS.API.STREAM.INFO, CREATE, UPDATE and MSG.GET of the stream, and
// $JS.API.DIRECT.GET. It listens to $JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED. Answers come to
// _INBOX.>, but only those of the stream: nodes answer each other below PREFIX. So a node needs
// permission to publish to PREFIX.> and to these subjects of $JS, and to subscribe to PREFIX.>,
// _INBOX.> and the advisory. Whoever may publish below PREFIX is believed.
//
// Other programs may publish to PREFIX.in.t.TOPIC too; a message without the header Fanfare is text
// if it is UTF-8. Bytes that NATS does not allow in a subject are escaped, with % and two digits.
//
// # What an answer to a publisher means
//
// The stream's leader has stored the message: with one replica in its own store, with three on two
// servers at least. It has been written, but not synchronised with the disk, unless the server is
// configured with sync_interval: always. So a process may be killed at any time without a loss,
// and so may one of three machines. A power failure of the only machine, or of two of three, may
// cost the messages of the last two minutes (the default sync_interval). If the sequence goes back
// by that, the first node that finds out begins another epoch.
//
// A message that is not answered before its connection is lost is sent again on the next one, with
// the same Nats-Msg-Id. The stream knows the ids of 30 seconds, and stores it once. A publisher's
// messages to a topic keep their order, since a connection loses only what is last on it. There is
// one exception: a server that loses its route to the stream's leader, gets another one, and then
// loses the client too, may have lost the first of two messages alone, which is stored late then.
//
// # Messages that are not stored
//
// A message to a topic with hub.TopicOptions.Unstored is plain NATS: its publisher sends it as
// PREFIX.out.t.TOPIC, past the stream. So whoever has joined the topic or a pattern gets it, in the
// same way as copies of stored messages, even if the rules of nodes differ. It has a header with the
// publisher's node and a number that grows there, by which a node with several subjects that match
// recognises the further copies, and in place of a message that comes after a later one of its publisher,
// over another connection, nothing is delivered. It has no position, and its time is that of its arrival.
//
// The answer to the publisher means that the message has been handed to the connection. It is lost if
// the connection fails before the server has it, if the server of a subscriber loses its route to the
// publisher's at that moment, or if the subscriber's node is not linked. Of these only the last one is noticed: the
// hub closes the subscribers, so that they learn of it. JoinUnstored waits for the node's own server only, and the other
// servers of a cluster learn of the subscription a moment later. Sync does not wait for such messages of other nodes.
//
// Both ways side by side: messages of 128 bytes, 1,000 of them without an answer, nodes and one server on
// a machine with 2 cores that has other work too, in turn (go test -run xxx -bench Throughput -benchtime 15x -count 3; medians):
//
//   - stored: 45,000 messages a second; 5.8 µs of CPU time of the node to publish one, 4.0 µs more to deliver it
//   - js.PublishAsync: 80,000; 4.9 µs to publish
//   - unstored: 370,000; 2.4 µs to publish, 2.3 µs more to deliver
//   - nc.Publish, without headers: 2,200,000; 0.2 µs to publish
//
// The CPU of the server is not counted. To a node in the same process that has joined the topic come
// 35,000 stored messages a second, and 170,000 unstored ones.
//
// # Ages
//
// Each message has a TTL: the age of its topic's history, and half a minute more for clocks that
// differ. Messages of topics without history are in the stream too, unless they are Unstored, for Options.MinAge, so that
// there is one order for all nodes, and a node that has lost its connection for a moment misses
// nothing. The number of messages for each topic is that of the whole stream
// (Options.MaxMessages), since NATS has no other limit; the hub keeps what the topic's own limit
// says. What exceeds Options.MaxBytes removes the oldest messages of all topics.
//
// A history page says from which offset on it is complete. That is decided by what is certain: the
// age of the topic, the number of messages of each topic, and the beginning of the epoch. A topic
// that has been quiet for longer than its age has no message that proves it, so a client that comes
// back to it after that time, at a node that does not know the topic, is told of a gap. Messages
// that an operator deletes one by one are not noticed.
//
// # Order
//
// A connection delivers copies in the order of their numbers: the leader publishes them from one
// queue, and all servers pass them on in order. All subscriptions of a node end in one channel, so
// this order remains. Each copy names the number of the message before it to the same topic. A
// node that has not had that one, or gets a copy that is older than another that it had, does not
// deliver it: it tells the hub that messages were lost, and links again. So nothing is delivered
// after a gap, and the hub fetches what is missing before it goes on.
//
// Copies may be missing without another message that shows it. The node therefore links again when
// the stream has another leader, and every Options.CheckEvery it asks for the last messages of
// topics that were quiet, and of patterns for which these are at most 1,024.
//
// # Linking and joining
//
// A probe is a message that a node stores for itself. The copy of the probe comes after the copies
// of all messages that were stored before it, so the number of a probe that is sent after a
// subscription, over the same connection, is an exact beginning. Join waits for it; one probe
// serves all calls of Join that are under way. Sync waits until the copy has passed the queue to
// the hub. Linked is called with the number of a probe too, after all subscriptions of the session.
// A cluster of servers passes subscriptions and messages on over the same route, in order. Nodes
// should not be divided over gateways or leaf nodes, which do not.
//
// # Epochs
//
// The record of the epoch is a message in the stream, which never expires. If the stream has been
// deleted, purged, or restored from a copy, the record is missing, or does not match the stream's
// time of creation. Then, and if the sequence has gone back, a node stores a record with another
// epoch, on the condition that no other node has done so meanwhile. All nodes get its copy, or find
// it when they check. A deleted stream is created again, unless Options.NoCreate is set. The record
// also says over how many streams the topics are divided. This version knows one only; another
// number is another epoch, and offsets have 11 bits to spare in JavaScript's numbers.
//
// # Peers
//
// A hub that is a [hub.PeerNode] has the nodes know each other. A node's number is random.
//
// Each node stores a record in the stream, which lasts for Options.Lease, and another one each third
// of that. The copies tell the other nodes that it lives; a new node reads the records that are there
// when it is linked. No consumer and no second stream is needed for that. A node that ends says so in
// its last record. Of any other, nothing has come for its lease when it is gone, neither a record
// nor a note, while this node was linked all the time and at least three of its own records came
// back. So nobody is gone because the node's own connection is down, or because the stream has no
// leader. The lease must be longer than nodes take to connect again, which is some seconds when all
// of them have lost a server.
//
// The state of a node changes in numbered steps. A note to all has the changes from one number to
// another, of all calls of SetState in 10 ms. A node that has not had the changes before those asks
// that peer for what came after the number that it has, and gets it in parts of at most 256 KiB, each
// of which it asks for when it has taken the one before. So a slow node delays nobody, and a
// node that has missed a little gets only that. The record has the number of the latest change, so a
// lost last note is noticed with it. When a node is linked, it asks all others, whose records are
// older than their last changes perhaps. For a part, a node looks through a log that has each entry where
// it changed last: reading it from any number to its end gives the present state, even if that
// changes meanwhile. The log also has earlier changes, until these are 4,096 or 1 MiB, or half of the
// log. So a node that is told of all learns each single change in order, and so does one that has
// missed a few, unless they have just been forgotten: then it learns the last change of each entry, in
// the order of these. Removed entries remain in the log, at least 4,096, or as many as there are
// others. If they are forgotten already, the parts are a snapshot: from the beginning, and an entry
// that was in none of them is reported as removed. No entry has a TTL, so a state costs nothing while
// it does not change.
//
// Notes and parts are sent by one goroutine over one connection, so they arrive in order, and a part
// ends where the next note begins. That is not necessary: numbers that do not fit make a node ask
// again. Notes of a node whose record has not come are ignored. While a node is not linked, it ignores
// all notes, and compares the numbers when it is.
//
// A question goes to all. The peers that are known when it is asked must answer, except those that
// end meanwhile.
//
// # Ownership, locks, events
//
// nats.go does not connect again by itself here: a session is one connection. So whatever arrives
// belongs to one session, and what arrived before its end is complete. Five goroutines work for an
// attached broker, and up to 16 that answer questions of peers:
//
//   - run connects, links, and compares, for which it waits for answers of the stream.
//   - write, of the session, makes subscriptions, sends probes, publishes. Nobody else does that;
//     others write only questions to the stream, the record of the epoch, ticks of the clock, and
//     what peers get.
//   - read, of the session, looks at all that arrives, and answers publishers.
//   - deliver calls the hub: Deliver, Lost, Linked, PeerChanged, PeerGone, in the order of one queue.
//     Before Linked it asks the stream which topics were silent, for at most ten seconds.
//   - share has the state of this node for itself: it takes what SetState has appended, and sends
//     notes, parts and the record. Close waits until it has said goodbye, for a second at most.
//
// write and read wait for none of the others, so what run and deliver wait for arrives. share waits
// for nobody but the connection, which ends if it does not take anything for five seconds.
//
// Broker.mu guards all state, for short times: the hub, publishers' functions and NATS are called
// without it. After it comes peers.mu, which guards what is known of the peers, and then the queue's
// own lock, and state.mu, for the list of SetState. Leave, Publish, SetState and the answers to
// publishers only append to lists, so they may be called under any lock of the hub. Join, History,
// Sync and Ask wait in their callers' goroutines, and may do so within Deliver, except Sync.
//
// A lost connection, a slow consumer, a lame duck server if there is another one, a gap, another
// leader, and another epoch are all told to the hub as Lost, and Linked with the present position
// when the node is linked again. Before Linked, the node asks in one go which topics have had
// messages meanwhile, so that only these cost a question.
//
// # Limits
//
// Options.MaxQueue bounds what waits for the hub, MaxPending and 65,536 messages what waits for the
// stream, of which 4,096 messages and 16 MiB are on their way. What arrives and is not looked at
// yet is at most 32,768 messages. For topics that only patterns match, the last numbers of 16,384 to
// 32,768 topics are known. A message with its headers must not exceed the server's max_payload,
// 1 MiB by default.
//
// Of other nodes, 1,000 are known. Options.MaxPeerState bounds what is remembered of the state of
// each, which are its keys, and with them what the hub holds; it also bounds the answers that wait for
// a caller of Ask. Half of Options.MaxQueue may wait for the hub besides its messages, as changes;
// with more, changes are dropped, and asked for again when there is room. Parts of 16 states are asked
// for at a time, and 1,024 nodes may wait for a part. The 17th question at a time is refused, which
// the peer counts as a missing answer. What SetState has appended waits for as long as the connection
// takes.
package natsbroker
