// Command fanfare-load loads any WebSocket server from one process and checks
// everything that comes back:
//
//	fanfare-load idle       opens connections, holds them, and weighs the server
//	fanfare-load echo       sends messages and measures until they are back
//	fanfare-load broadcast  publishes to a topic and checks each subscriber's sequence
//	fanfare-load churn      opens connections and closes them
//	fanfare-load slow       broadcasts while some subscribers do not read
//
// Run a subcommand with -h for its flags.
//
// # What is measured, and how
//
// Connections run on the engine of package netpoll, without a goroutine each, so
// that the client stays light beside a server on the same machine. Its own use of
// the processor is reported too: a client that is busy all the time measures
// itself.
//
// With -rate, messages have a time at which they are due, whether or not the
// server keeps up, and latency counts from there (no coordinated omission).
// Without, a message is sent when one is answered, and latency counts from then. What one
// read has brought to a subscriber has come when the client begins with it.
//
// With -think, each connection of an echo waits between an answer and its next message, as
// people do; with -ramp, connections are opened evenly over a time.
//
// With -fail, a run is judged: -fail 'p99>50ms' makes the exit status 1 if that is so, and
// a line says which threshold, and the value. Metrics are latency, what was lost, the rate,
// and what a message or a connection costs the server; -h lists them.
//
// With -pid, the server's processor time is reported for each message, and where the
// kernel lets it, what the processor's counters say of it: instructions and cycles, in
// user space and in the kernel. With -vars, its heap, stacks and goroutines, too.
//
// What a connection weighs shows only on a server that has just been started: one that has
// served others before has memory for these already. idle notes if it looks so.
//
// Opening many connections takes longer than most measurements. With -then, a broadcast
// goes on in another way on the connections that there are, and idle with -at weighs the
// server on the way to -n.
//
// Latencies are recorded in HdrHistograms, one for each event loop, with three
// significant digits, and merged at the end.
//
// The payload of a broadcast carries a number of the run, of its publisher and of
// its place in the sequence; that of an echo is computed from them. What does not
// arrive, arrives twice, out of order or changed is counted and makes the exit
// status 1. Where no echo has been right, and a connection has got ten messages that were
// none, the run is given up: that path does not echo.
//
// # Locks
//
// Each a leaf but for this order: echoer.mu or publisher.mu, then shard.mu, doubts.mu or
// a lock of wsproto. Nothing is sent under shard.mu.
package main
