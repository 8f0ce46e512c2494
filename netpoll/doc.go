// Package netpoll holds very many TCP connections on little memory: epoll loops
// (github.com/mailru/easygo) find the readable connections, and a bounded pool of workers
// (github.com/panjf2000/ants) serves them. It knows descriptors and bytes, and
// nothing of the protocol that they carry.
//
// # Turns
//
// An epoll callback does no work: it marks the connection scheduled and appends
// it to its loop's ready queue. A drainer, which is a task of the pool, takes connections
// from that queue one after the other and gives each a turn. A turn sends what is
// pending, reads until the socket is empty into a buffer that belongs to the worker, and
// passes the bytes to the connection's [Handler]. Registration is edge triggered, once,
// for reading, writing and hang-up, so a connection costs no further epoll_ctl.
// Every event is only a hint: the next read or write shows what is true.
//
// One word per connection holds its scheduling: the bit scheduled
// (queued or in a turn) and the events that came since the last turn began.
// An event sets its bits and, if the bit scheduled was clear, appends the
// connection. A turn swaps the events out before it looks at the socket. It
// clears scheduled only if no event came in the meantime; else the connection is
// appended again, behind the others in the queue. So no event is lost, and one worker at a
// time serves a connection: its Handler needs no lock against itself.
//
// A loop keeps pace with its drainers: while many connections wait in its queue it
// does not go back to epoll, so that the next call returns many events instead of one.
// The monitor's look ends that too, in case the handlers block.
//
// A connection that has received a large message (see [Filler]) moves from its loop's
// easygo instance to a second one beside it, which the runtime's poller watches: for such
// connections, blocking in epoll_wait costs more than two further system calls.
//
// If a drainer makes no progress while connections wait in its queue, because a
// handler blocks, the monitor submits another drainer within two milliseconds, and more
// at each further look, up to the pool's bound. When the pool is exhausted the
// ready connections wait unread, and TCP pushes back.
//
// # What is measured
//
// [Stats] has counters and two distributions, which cost a connection and a message next to nothing. The wait for a drainer
// is measured for one of 32 pushes to a ready queue. The lag of a loop is how long it takes to look at an event that the monitor
// raises for that, up to 10 times a second while there is work.
//
// The monitor also is a watchdog: if a worker is in the same turn or task for Options.BlockedAfter, the log names the
// handler, its client and its stack. Turns take no time for that: the monitor sees at two looks that it is the same turn.
// The stack comes from a profile of all goroutines, where those of workers have labels.
//
// [Engine.Page] lists the connections, and [Engine.Find] finds one by its [ConnID], for which connections keep nothing:
// what [Conn.Info] tells is what the engine has anyway, and what the kernel counts.
//
// # Writes
//
// A write is safe from any goroutine, never blocks, and returns an [Outcome]:
// sent, queued, full or closed. The code uses four verbs, each with one meaning:
//
//	write    take bytes from the protocol, within the bounds, and pass them on
//	gather   copy them into the worker's buffer, until the turn ends
//	send     give them to the socket
//	enqueue  append them to the connection's queue, because the socket does not take them
//
// Outside a turn a write sends at once and enqueues the rest, by reference if it is a [Buffer].
// During a turn, writes are gathered and leave in one
// system call when the turn ends, or after at most four milliseconds if the
// handler blocks. Without TLS they share a segment with the FIN, if the
// turn also ends our side. Pending bytes are bounded by Options.MaxPending, which is checked
// before anything is added. Above half of it the connection is not read until
// the peer has taken some, so a peer that sends without reading is slowed
// down and loses nothing.
//
// A [Burst] writes to many connections in one system call
// (io_submit(2)); what a socket does not take is queued as always.
//
// A message that is written in pieces reserves the connection ([Exclusive]): only
// urgent writes go between the pieces, other writes wait behind the last. The writer
// of the pieces blocks until the kernel has taken them, so they are not copied.
// Turns flush what is pending; for a connection whose handler
// blocks, the monitor does.
//
// A caller that has much to send to a slow peer should not fill the queue, but
// ask to be told when it is empty (Conn.WhenDrained). Adding to the queue and
// emptying it both happen under Conn.mu, so no caller misses the moment.
//
// # Entering and leaving
//
// A [State] is all that a connection is between two turns: its socket, input that
// the handler left over, pending output, its deadline, its TLS. A connection enters an engine
// with a State (accepted, dialled, adopted, after its TLS handshake, or with
// [Engine.Enter]) and leaves it with one (closed, detached, after its TLS handshake, or with
// [Conn.Leave]). To move a connection to another engine, call Leave, keep what the protocol
// has for it (no method of its Handler runs any more), and Enter the State with a new
// Handler:
//
//	conn.Leave(func(s *netpoll.State, err error) {
//		if err == nil {
//			err = other.Enter(s, newHandler) // OnOpen comes first, as for every Handler
//		}
//	})
//
// A write that races with Leave is part of the State, or its outcome is Closed. A State has
// neither what the protocol charged, nor its Scheduler: Leave calls that at once, as if nothing were pending.
//
// Bytes go between a connection and its socket through a transport, which is plain or TLS. A turn
// does not know which.
//
// # Listening
//
// An engine has any number of listeners: see [Endpoint] for TCP ports of IPv4, IPv6 or both, Unix sockets and sockets
// that were inherited. A connection of a Unix socket is like any other, but its peer has no address:
// RemoteAddr and LocalAddr are invalid, and the limits count all such peers as one owner (see Conn.Owner).
//
// A proxy in front that passes bytes on, instead of requests, can tell the client's address in the first bytes of each
// connection: see [Preamble]. The connection of such a proxy, or of an [Endpoint] that wants preambles, enters with a
// Handler of the engine's own, which waits for the preamble. Then it leaves and enters again, for its TLS
// handshake or with its Handler, as a connection of the client's address: limits and shares count that one, and
// RemoteAddr returns it. Its two addresses are memory of that connection only.
//
// # Pauses
//
// Reading a connection pauses for as long as there is a reason: the peer does not
// take what it is sent, or the handler has called Hold. Whatever ends the last reason
// schedules a turn that reads on, since the events of the pause are gone. What the
// handler left over comes again before anything is read. Long work that
// depends on turns runs in the background (Engine.Go), not on the workers: there it
// could keep the turn that it waits for from running. Work for peers shares
// the background's places by address (Engine.GoFor).
//
// # TLS
//
// [Engine.ListenTLS] and [Engine.DialTLS] put crypto/tls between a connection and
// its Handler. A handshake of tls.Conn cannot resume after a read that found nothing, so it
// has a goroutine until it is done or Options.TLSTimeout is over. All the time the connection is in its loop,
// like any other: its turns bring the goroutine what it reads, and note the end and the deadline. Only
// a turn closes the descriptor, so the goroutine writes as any goroutine does. The handshake begins when
// the connection has the whole ClientHello and one of TLSHandshakes places.
// So a silent client takes no place, and accepting never pauses. Places are shared by
// address, and taken away from clients that do not go on while others wait: see tlsHandshakes.
//
// Afterwards tls.Conn works in turns. The transport's read returns a temporary
// error when the socket is empty, and its write only collects: it cannot fail
// half-way, which tls.Conn does not forgive. A turn reads from tls.Conn until that has nothing
// more, because no event tells of the records that it holds. Reading may write (the answer
// to a key update, an alert), so each call of tls.Conn, reading too, is made under
// Conn.mu, one record at a time; with two locks, reader and writers would wait for each
// other. What a turn gathers is encrypted when it leaves, in as few records as possible.
// Finish, Close and the reply to the peer's EOF send close_notify. While a connection
// lingers its input is discarded without being decrypted.
//
// An idle connection with TLS costs as much as dozens without: see package wsproto.
// netpoll cannot reduce that: the buffers belong to tls.Conn, and grow with
// the longest record received.
//
// # Memory
//
// An idle WebSocket of package wsproto that has echoed a message takes this of the process, in bytes over the empty server. A test
// measures it with 9,000 in two loops:
//
//	connection    128  the Handler, a wsproto.Conn, which has its Conn (72) by value
//	callback       16  a closure of a Conn, since easygo passes events without their descriptor
//	easygo's map   33  18 for each place of a table, of which 44 % to 88 % are taken: so 21 to 41
//	list            8  a place in the loop's list of connections
//	objects       185  in all
//	remainders      2  63 wsproto.Conns and the collector's bits for them fill 8 KiB
//	spans           3  the runtime's description of each 8 KiB
//	other          35  0.2 to 0.4 MB in all, however many there are: code, stacks, pages that are partly used
//	RSS           225
//
// Neither the callback nor its entry in the map can be shared. easygo has a function for each descriptor, and passes it the events
// only, so a function of several connections would not know which of them to schedule. An epoll instance that is itself
// registered with easygo would need neither, as that of largeReaders does, but then easygo would not poll the connections, and each
// event that comes alone would cost two further system calls. The tables of the map double, so part of their places is free.
//
// A crowd of connections takes more while it comes: the garbage of its handshakes, and up to twice as many workers as there
// are loops, with 128 KiB each. The monitor gives both back when the crowd is over (see internal/memory), and workers'
// buffers whenever they have been idle for a second or two. Until then garbage may take as much as the garbage
// collector allows it: with GOGC=20, up to 40 bytes for each connection.
//
// # Limits
//
// What a peer can make the engine hold is bounded for each connection, for each address
// (see [OwnerOf]) and in total. A test compares this list with [Options].
//
//	Loops            GOMAXPROCS     connections are spread over them
//	Workers          1024           ready connections wait unread, and TCP pushes back
//	Background       1024           functions of Go and GoFor wait; addresses take turns, and none has the last place
//	ReadBuffer       64 KiB         a turn reads no more at a time; ErrTail if a handler leaves more than half over
//	MaxPending       4 MiB          a write is Full; from half of it on the connection is not read
//	TotalPending     MemoryLimit/8  the heaviest connections end with ErrShed until an eighth is free
//	NotSentLowat     64 KiB         the kernel takes no more, and the rest is pending
//	UserTimeout      1m0s           a peer that acknowledges nothing for so long is given up
//	MinDrain         1024           a peer that takes less of what is pending ends with ErrSlow
//	Sweep            1s             deadlines are late by up to so much
//	MaxConns         none           silent TLS clients give way; else accepted and closed at once, counted (RefusedFull)
//	Reserve          none           so many more are opened, and Engine.Full tells
//	MaxConnsPerAddr  none           accepted and closed at once, counted (RefusedByAddr)
//	TLSHandshakes    512            handshakes wait; addresses take turns, and silent clients give way
//	TLSWaiting       8192           the last of the address with the most ends with ErrTLSShed
//	TLSTimeout       10s            the handshake ends with ErrTLSTimeout
//	BlockedAfter     1s             a turn or task that takes longer is logged and counted (Blocked)
//
// MaxConns, Reserve, MaxConnsPerAddr, TotalPending, MinDrain, TLSHandshakes and TLSWaiting can change while the engine
// runs: see Engine.SetLimits.
//
// MaxConnsPerAddr does not apply to the peers that Options.ExemptAddr reports. What remains of an address that reaches
// it is a line in the log, which names the address and the option for trusted proxies: a proxy in front that is not
// trusted to tell its clients' addresses looks like one client with very many connections.
//
// TotalPending counts memory, not bytes to be sent:
// copies with the buffers that hold them, shared buffers once (the connection that
// queued one first answers for it), input that was left over, and what a
// protocol reports with Conn.Charge. Each loop has its sum. A write that adds to it checks the
// total from time to time, and if that is too much closes the heaviest connections, which
// are in lists by powers of two. The bytes in workers' buffers do not count: there are
// only as many as Workers. When much memory has become free, it is given back to the system.
//
// The heaviest go first, to within a factor of two. If others have locked the heaviest at
// that moment, the monitor tries again within two milliseconds. A lighter one is closed at
// once only if half of the margin below TotalPending is used up.
//
// The kernel gives up a peer that takes nothing for UserTimeout, but one byte now and then is
// enough for it. So four times in UserTimeout the monitor looks at the connections that have
// something pending: one whose peer has acknowledged less than MinDrain bytes a
// second over UserTimeout ends with ErrSlow, and is counted (Slow). An empty queue restarts
// the measurement.
//
// When MaxConns is reached, a connection that has not done its TLS handshake makes room for
// the next: see [Engine.MakeRoom] for the protocol's part in that. It is the oldest whose
// ClientHello has not come, one whose client has been silent in its handshake for a quarter
// of a second, or the last that waits for a place, of the address that has the most.
//
// Turns are shared by connection, first come, first served: a turn reads at most four
// buffers, then the connection waits behind all others. So an address has as many shares
// as it has ready connections, which MaxConnsPerAddr bounds. A turn is bounded in
// bytes and not in time: a handler must not wait in it for a peer, a disk or a
// database, but Hold the connection, or work in the background. If handlers block all
// the same, other connections get workers within milliseconds, until Workers is reached.
//
// # Ownership and order
//
// The descriptor belongs to the turn: only a turn reads it and only a turn
// closes it. Close from another goroutine marks the connection, shuts the socket
// down and schedules a turn. The order of the end is: out of the epoll set, out
// of the loop's table, close(2), then Handler.OnClose, once. The bit scheduled
// then stays set for ever, so a late event for the dead object queues nothing.
// Callbacks are bound to the object and not to the descriptor's number, so they cannot reach
// another connection either. At the other end of its life the bit is set from birth until
// the descriptor is registered: a goroutine that finds a connection in the table that
// early can mark it closed, but no turn closes it yet. Connections are
// garbage-collected, not recycled.
//
// Each lock is a leaf: nothing else is locked under it, and no callback runs under
// it, but for what tls.Conn locks for itself and the exceptions below.
//
//	Conn.mu           the outbound queue, the phase, every write to the descriptor, all of TLS
//	ready.Queue.mu    a loop's queue
//	table.mu          a loop's list of connections
//	deadlines.mu      a loop's list of deadlines that are near
//	largeReaders.mu   a loop's set of connections with large messages
//	workers.mu        the list of workers
//	tlsHandshakes.mu  the places for TLS handshakes
//	tlsHandshake.mu   what one of them is to read, and its result
//	admission.mu      the addresses of connections
//	background.mu     the functions of Go and GoFor
//	departures.mu     the calls of Leave
//	aioContexts.mu    the kernel's contexts for bursts
//	budget.mu         the right to shed connections
//	heavy.mu          a loop's lists of connections that hold much
//	sayer.mu          what the watchdog has to say
//
// easygo's own lock is taken by Add and Del with none of these held. departures.mu and deadlines.mu are also
// taken under Conn.mu. Under tlsHandshake.mu a connection is held and resumed. Engine.changes, which is held during SetLimits, comes before all of them.
//
// A burst holds up to 32 connection locks for the duration of one io_submit (about 150 µs for
// small writes; large ones take no part). It only tries these locks, so it waits for none of
// them; a write that finds one held waits for the burst as for any other write. What the
// kernel did not take is queued before the locks are released, so the burst
// may wait for budget.mu while it holds them.
//
// A write that adds to what a connection holds may have to close others (see Limits).
// Under Conn.mu it takes budget.mu, under which it only tries the locks of other
// connections, and then heavy.mu, which is a leaf. So
// nobody waits for a Conn.mu while holding budget.mu. The monitor takes budget.mu first,
// and then only tries, too. It never looks at all connections while holding budget.mu.
//
// A Scheduler that was given to WhenDrained is called under Conn.mu, so that no
// write comes between. A Task takes ready.Queue.mu for it, and the pool its own lock. Another
// [Scheduler] may take any lock under which no method of a Conn is ever called. So
// the order is Conn.mu, a Scheduler's own lock, ready.Queue.mu, the pool's, and never the reverse.
// When a connection is closed for what it holds, two locks of connections may be held, its own and
// the writer's, and budget.mu; and the Scheduler that is called is not that of the connection
// written to. So a lock that any Scheduler takes must not be held around a
// write to any connection.
//
// # Layers
//
// The files are layered, and a file refers to what is below it. At the bottom is data: the queues, tables and
// counters (out_queue.go, loop_table.go, limit_admission.go), and what consists of them, Conn, State and
// Engine, which alone refer to each other. Above are the steps that a connection takes within
// a turn or a write (conn_events.go, limit_shed.go, out_send.go, tls_transport.go, out_write.go), then
// its ways into the engine and out of it (conn_enter.go, conn_leave.go, conn_close.go), then turns.
// On top is what begins all of that: listeners, TLS handshakes, the monitor, and the engine's start and end. The
// packages below know neither connections nor engines: paced (lines in the log that strangers can cause), histogram and, in internal,
// clock, ready (the queues of loops), sys (system calls) and memory.
//
// # Calls of a Handler
//
// Handler methods of one connection never run at the same time. They run in the
// order OnOpen, then OnData, OnDeadline and OnPanic in any order, then OnClose, or in place
// of OnClose the function that was given to Leave. An
// attempt to connect that fails has OnClose only. Methods may block, at the price of
// one worker of the pool for as long.
package netpoll
