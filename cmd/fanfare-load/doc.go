// Command fanfare-load puts load on any WebSocket server from one process and checks everything that the server sends:
//
//	fanfare-load idle       opens connections, holds them, and measures the server's memory and its CPU time
//	fanfare-load echo       sends messages and checks and times their echoes
//	fanfare-load broadcast  publishes to a topic and checks each subscriber's sequence
//	fanfare-load churn      opens connections and closes them
//	fanfare-load follow     subscribes with clients that reconnect and resume, and checks that they miss nothing
//	fanfare-load slow       broadcasts while some subscribers do not read
//
// Run a subcommand with -h for its flags.
//
// # What is measured, and how
//
// Connections run on the engine of package netpoll, without a goroutine each, so that the client stays light beside a
// server on the same machine. The report includes the client's own CPU use: a client that is busy all the time measures
// itself.
//
// With -rate, each message has a time at which it is due, whether or not the server keeps up, and latency counts from that
// time (no coordinated omission). Without -rate, a message is sent when an echo arrives, and latency counts from the sending.
// A subscriber's messages count as received when the client starts to process the read that contains them.
//
// With -think, each connection of an echo waits between an echo and its next message, as people do. With -ramp, connections
// are opened evenly over a time.
//
// With -fail, a run is judged: -fail 'p99>50ms' makes the exit status 1 if the condition holds, and the report names the
// threshold and the value. Metrics are latency, lost messages and connections, rates, and what a message or a connection
// costs the server; -h lists them.
//
// With -pid, the report has the server's CPU time per message and, where the kernel permits it, hardware counters: instructions
// and cycles, in user space and in the kernel. With -vars, it has the server's heap, stacks and goroutines, too.
//
// The memory of a connection shows only on a server that has just started: a server that has served connections before has
// memory for new ones. idle prints a note in that case.
//
// Opening many connections takes longer than most measurements. With -then, a broadcast continues in another way on the same
// connections, and idle with -at measures the server on the way to -n.
//
// Latencies are recorded in HdrHistograms, one for each event loop, with three significant digits, and merged at the end.
//
// The payload of a broadcast contains the number of the run, of its publisher and of its place in the sequence; the payload
// of an echo is computed from them. Messages that do not arrive, arrive twice, out of order or changed are counted and make
// the exit status 1. If a connection receives ten other messages before any connection has received an echo, the run is given
// up: that path does not echo.
//
// # Clients that resume
//
// follow uses clients of the subprotocol fanfare.v1. They connect to the first URL. When their connections end they reconnect, at
// any of the URLs, and resume where they were. It reports how long they were without a connection and how long each heard nothing. Several
// processes can follow one topic: one of them has a -rate and starts last, the others have -rate 0, and all end with the last
// message.
//
// # Locks
//
// The order of locks is: echoer.mu or publisher.mu; then shard.mu, doubts.mu or a lock of wsproto. All other locks are
// leaves. Nothing is sent under shard.mu.
package main
