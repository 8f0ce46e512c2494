// Package netpoll holds very many TCP connections on little memory: epoll loops
// (github.com/mailru/easygo) find the readable ones, a bounded pool of workers
// (github.com/panjf2000/ants) serves them. It knows descriptors and bytes, and
// nothing of the protocol that they carry.
//
// # Turns
//
// An epoll callback does no work: it marks the connection scheduled and appends
// it to its loop's ready queue. A drainer, a task of the pool, takes connections
// from that queue one after the other and gives each a turn: it writes what is
// pending, reads to the end into a buffer that belongs to the worker, and hands
// the bytes to the connection's [Handler]. Registration is edge triggered, once,
// for reading, writing and hang-up, so a connection costs no epoll_ctl after
// that; every event is a hint that the next read or write decides.
//
// One word per connection says everything about scheduling: the bit scheduled
// (queued or in a turn) and the events that came since the last turn began.
// An event sets its bits and, if the bit scheduled was clear, appends the
// connection. A turn swaps the events out before it looks at the socket and
// clears scheduled only if no event came in the meantime; else the connection is
// appended again, behind those who wait. So no event is lost, and a connection is
// served by one worker at a time: its Handler needs no lock against itself.
//
// A loop keeps pace with its drainers: while many connections wait in its queue it
// does not go back to epoll, so that the next call brings many events and not one.
// The monitor's look ends that too, should the handlers block.
//
// A connection that has brought a large message (see [Filler]) moves from its loop's
// easygo instance to a second one beside it, which the runtime's poller watches: to
// block in epoll_wait costs more there than two further system calls.
//
// If a drainer makes no progress while connections wait in its queue, because a
// handler blocks, the monitor submits another within two milliseconds, and more
// at each further look, up to the pool's bound. When the pool is exhausted the
// ready connections wait unread, and TCP pushes back.
//
// # Writes
//
// A write is safe from any goroutine, never blocks, and reports an [Outcome]:
// sent, queued, full or closed. Outside a turn it goes straight to the socket;
// what the socket does not take is queued, by reference if it is a [Buffer].
// During a turn, writes are gathered in the worker's buffer and leave in one
// system call when the turn ends, or after at most four milliseconds if the
// handler blocks; without TLS in one segment with the end of our side, if that
// comes with the turn. Pending bytes are bounded by Options.MaxPending, checked
// before anything is added; above half of it the connection is not read until
// the peer has taken some, so that a peer that sends without reading is slowed
// down and loses nothing.
//
// A [Burst] is writes to many connections, which the kernel gets in one system call
// (io_submit(2)); what it does not take is queued as always.
//
// A message that is written in pieces reserves the connection ([Exclusive]): only
// what is urgent goes between the pieces, other writes wait behind the last. Who
// writes in pieces blocks until the kernel has what he wrote, which is not copied
// then. What is pending is flushed by the turns, or, for a connection whose handler
// blocks, by the monitor.
//
// A caller that has much to send to a slow peer does not push it into the queue, but
// asks to be told when that is empty (Conn.WhenDrained). A write that is queued and
// the queue's end are both under Conn.mu, so nobody waits for an end that has been.
//
// # Entering and leaving
//
// All that a connection is between two turns is one value, a [State]: its socket, input that
// the handler left over, pending output, its deadline, its TLS. A connection enters an engine
// with a State (accepted, dialled, adopted, after its TLS handshake, or with
// [Engine.Enter]) and leaves it with one (closed, detached, for its TLS handshake, or with
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
// A write that races with Leave is in the State, or Closed. What the State does not have is the
// protocol's: what it charged, and what it gave to WhenDrained, which is called.
//
// Bytes go between a connection and its socket through a transport: plain, or TLS. A turn
// does not know which.
//
// # Pauses
//
// Reading a connection pauses for as long as there is a reason: the peer does not
// take what it is sent, or the handler has called Hold. Whoever ends the last reason
// schedules a turn that reads on, since the events of the pause are gone. What the
// handler left over it is given again before anything is read. Work that lasts, and
// feeds on turns, runs in the background (Engine.Go), not on the workers: there it
// could keep the turn that it waits for from running. What it does for peers shares
// its places by address (Engine.GoFor).
//
// # TLS
//
// [Engine.ListenTLS] and [Engine.DialTLS] put crypto/tls between a connection and
// its Handler. A handshake of tls.Conn cannot go on where a read found nothing, so it
// has a goroutine and the runtime's poller on a duplicate of the descriptor, until it
// is done or Options.TLSTimeout is over. Before that the connection waits in its loop,
// like any other, for the whole ClientHello and then for one of TLSHandshakes places;
// so who is silent takes none, and accepting never pauses. Places are shared by
// address, and taken away from clients that do not go on while others wait: see tlsHandshakes.
//
// Afterwards tls.Conn works in turns, on a transport whose read answers with a passing
// error when the socket is empty, and whose write only collects: it cannot fail
// half-way, which tls.Conn does not forgive. A turn asks tls.Conn until it has nothing
// more, for no event tells of the records that it holds. Reading may write (an answer
// to a key update, an alert), so each call of tls.Conn, reading too, is made under
// Conn.mu, one record at a time; with two locks reader and writers would wait for each
// other. What a turn gathers is encrypted when it leaves, in as few records as hold it.
// Finish, Close, and the answer to the peer's end say close_notify; while a connection
// lingers its input is thrown away as it is, encrypted.
//
// An idle connection with TLS costs as much as dozens without: see package wsproto.
// None of it can be trimmed from here: the buffers are tls.Conn's own, and grow with
// the longest record that came.
//
// # Limits
//
// What a peer can have the engine hold is bounded for each connection, for each address
// (see [OwnerOf]) and in all. A test compares this list with [Options].
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
//
// What all connections together hold is counted in memory, not in bytes to be sent:
// copies with the buffers that they are in, shared buffers once (the connection that
// queued one first answers for it), input that was left over, and what a
// protocol reports with Conn.Charge. Each loop has its sum; a write that adds to it looks at the
// total from time to time, and if that is too much closes the heaviest, which
// stand in lists by powers of two. The bytes in workers' buffers do not count: their
// number is that of Workers. When much was let go, memory is given back to the system.
//
// The heaviest go first, to within a factor of two. If others have locked the heaviest at
// that moment, the monitor tries again within two milliseconds; only if half of the margin
// below TotalPending is used up is a lighter one closed at once.
//
// The kernel gives up a peer that takes nothing for UserTimeout, but a byte now and then is
// enough for it. So four times in UserTimeout the monitor looks at the connections for
// which something is pending: one whose peer has acknowledged less than MinDrain bytes a
// second over UserTimeout ends with ErrSlow, and is counted (Slow). An empty queue begins
// the measurement anew.
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
// the same, others get workers within milliseconds, until Workers is reached.
//
// # Ownership and order
//
// The descriptor belongs to the turn: only a turn reads it and only a turn
// closes it. Close from another goroutine marks the connection, shuts the socket
// down and schedules a turn. The order of the end is: out of the epoll set, out
// of the loop's table, close(2), then Handler.OnClose, once. The bit scheduled
// then stays set for ever, so a late event for the dead object queues nothing;
// callbacks are bound to the object and not to the number, so it cannot reach a
// stranger either. At the other end of its life the bit is set from birth until
// the descriptor is registered, so whoever finds a connection in the table that
// early can mark it closed, but no turn closes it yet. Connections are
// garbage-collected, not recycled.
//
// Locks, each a leaf (nothing else is locked under it, no callback runs under
// it but what tls.Conn locks for itself, and one more exception): Conn.mu guards the
// outbound queue, the phase, every write to the descriptor and all of TLS; ready.mu a
// loop's queue; table.mu a loop's list of connections; workers.mu the list of workers;
// tlsHandshakes.mu the places for TLS handshakes; admission.mu the addresses of connections; background.mu what Go has to run; largeReaders.mu a
// loop's set of connections with large messages; departures.mu the calls of Leave; aioContexts.mu the
// kernel's contexts for bursts. easygo's own lock is taken by Add and Del with none of these held.
//
// A burst holds many Conn.mu at a time, for as long as its writes take: some 150 µs for
// small ones, and large ones take no part. It only tries them, so it waits for none of
// them; a write that finds one held waits for the burst as for any other write. What the
// kernel did not take is queued before they are released, so with them in hand the burst
// may wait for budget.mu.
//
// A write that adds to what a connection holds may have to close others (see Limits):
// under Conn.mu it takes budget.mu, under which it only tries the locks of other
// connections, and heavy.mu, the lists of those that hold much, which is a leaf. So
// nobody waits for a Conn.mu with budget.mu in hand. The monitor takes budget.mu first,
// and then only tries, too. It never looks at all connections with budget.mu in hand.
//
// The exception: what was given to WhenDrained is scheduled under Conn.mu, so that no
// write comes between. A Task takes ready.mu for it, and the pool its own lock; another
// [Scheduler] takes what it likes, if under that no method of a Conn is ever called. So
// the order is Conn.mu, a Scheduler's own, ready.mu, the pool's, and never the reverse.
// A connection that is closed for what it holds is closed under its own Conn.mu, that of
// the writer, and budget.mu; then the Scheduler of another connection is called than the
// one that is written to. So a lock that any Scheduler takes must not be held around a
// write to any connection.
//
// Handler methods of one connection never run at the same time; they run in the
// order OnOpen, then OnData, OnDeadline and OnPanic in any order, then OnClose, or the
// function that was given to Leave in place of that; an
// attempt to connect that fails has OnClose only. They may block, at the price of
// one worker of the pool for as long.
package netpoll
