//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// takeOut has p leave its engine.
func takeOut(t testing.TB, p *peer) (*State, error) {
	t.Helper()
	type result struct {
		s   *State
		err error
	}
	done := make(chan result, 1)
	p.c.Leave(func(s *State, err error) {
		p.detached = err == nil
		done <- result{s, err}
	})
	r := receive(t, "Leave", done)
	return r.s, r.err
}

// moveTo has p go on in e, as the peer that is returned.
func moveTo(t testing.TB, e *Engine, p *peer, setup func(*peer)) *peer {
	t.Helper()
	s := must[*State](t)(takeOut(t, p))
	next := newPeer(t)
	setup(next)
	if err := e.Enter(s, next); err != nil {
		t.Fatal(err)
	}
	return next
}

// transports runs a test with and without TLS.
func transports(t *testing.T, f func(t *testing.T, serve func(opts Options, setup func(*peer)) *server, client func(*server) net.Conn)) {
	t.Run("plain", func(t *testing.T) {
		f(t, func(o Options, setup func(*peer)) *server { return serve(t, o, setup) },
			func(s *server) net.Conn { return dial(t, s.addr) })
	})
	versions(t, func(t *testing.T, version uint16) {
		f(t, func(o Options, setup func(*peer)) *server { return serveTLS(t, o, setup) },
			func(s *server) net.Conn { return dialTLS(t, s.addr, version, nil) })
	})
}

// movingStream is a connection that moves from engine to engine, while its client sends a
// stream, and others write records to it.
type movingStream struct {
	t       *testing.T
	current atomic.Pointer[peer]
	got     atomic.Int64 // bytes of the client's stream, in messages of messageSize
}

const messageSize = 1000

func (m *movingStream) setup(p *peer) {
	p.onOpen = func() { m.current.Store(p) }
	p.onData = func(data []byte) int {
		n := len(data) / messageSize * messageSize // what is left is a message of which a part has come
		want := make([]byte, n)
		pattern(want, int(m.got.Load()))
		if string(want) != string(data[:n]) {
			m.t.Errorf("the stream is wrong after %d bytes", m.got.Load())
		}
		m.got.Add(int64(n))
		return n
	}
}

// write writes rec to the connection, in the engine where it is.
func (m *movingStream) write(rec []byte, shared bool) {
	for end := time.Now().Add(waitLimit); time.Now().Before(end); {
		p := m.current.Load()
		o := Outcome(0)
		if shared {
			o = p.c.WriteBuffer(NewBuffer(rec))
		} else {
			o = p.c.Write(rec[:recordHeader], rec[recordHeader:])
		}
		if o.OK() {
			return
		}
		if o != Closed {
			m.t.Errorf("a write was %v", o)
			return
		}
		time.Sleep(50 * time.Microsecond) // it is about to enter the next engine
	}
	m.t.Error("it never entered the next engine")
}

// Nothing is lost, duplicated or reordered when a connection moves while both sides send: with
// a part of a message received, and with output that the peer does not take yet.
func TestMoveUnderLoad(t *testing.T) {
	const writers, records, messages, moves = 4, 150, 3000, 40
	transports(t, func(t *testing.T, serve func(Options, func(*peer)) *server, client func(*server) net.Conn) {
		m := &movingStream{t: t}
		opts := Options{MaxPending: 64 << 20, Loops: 2}
		s, other := serve(opts, m.setup), secondEngine(t, opts)
		nc := client(s)
		receive(t, "OnOpen", s.new)
		eventually(t, "it is open", func() bool { return m.current.Load() != nil })

		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range records {
					m.write(record(w, i, (w*977+i*131)%9000), w%2 == 0)
				}
			})
		}
		all.Go(func() {
			stream := make([]byte, messages*messageSize)
			pattern(stream, 0)
			for n := 1; len(stream) > 0; n = n%2999 + 13 {
				n := min(n, len(stream))
				if _, err := nc.Write(stream[:n]); err != nil {
					t.Error(err)
					return
				}
				stream = stream[n:]
			}
		})
		engines := []*Engine{other, s.Engine}
		for i := range moves {
			p := m.current.Load()
			if i == moves/2 {
				all.Go(func() { readRecords(t, nc, writers, records) })
			}
			next := moveTo(t, engines[i%2], p, m.setup)
			eventually(t, "it has entered", func() bool { return m.current.Load() == next })
			if n := p.closes.Load(); n != 0 {
				t.Error("OnClose of a Handler that the connection has left")
			}
		}
		all.Wait()
		eventually(t, "all has come", func() bool { return m.got.Load() == messages*messageSize })
		last := m.current.Load()
		eventually(t, "nothing is pending", func() bool {
			return last.c.Pending() == 0 && s.Stats().Queued == 0 && other.Stats().Queued == 0
		})
		nc.Close()
		if err := receive(t, "OnClose", last.closed); err != io.EOF {
			t.Errorf("closed with %v", err)
		}
		for _, e := range engines {
			if st := e.Stats(); st.Open != 0 || st.Detached != 0 || st.Held != 0 || e.admission.taken.Load() != 0 {
				t.Errorf("%+v, and %d are taken", st, e.admission.taken.Load())
			}
		}
	})
}

// readRecords reads all records of all writers, and checks their order.
func readRecords(t *testing.T, r io.Reader, writers, records int) {
	next := make([]int, writers)
	for range writers * records {
		w, i, err := readRecord(r)
		if err != nil || w >= writers || i != next[w] {
			t.Errorf("record %d of writer %d, %v; want %v", i, w, err, next)
			return
		}
		next[w]++
	}
}

// Half a record of TLS has come when the connection moves.
func TestMoveInMidRecord(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		s, other := serveTLS(t, Options{}, echoing), secondEngine(t, Options{})
		var b *batch
		c := dialTLS(t, s.addr, version, func(nc net.Conn) net.Conn {
			b = &batch{Conn: nc}
			return b
		})
		p := receive(t, "OnOpen", s.new)
		b.hold = true
		write(t, c, []byte("a message"))
		half := len(b.held) / 2
		before := s.Stats().BytesIn
		write(t, b.Conn, b.held[:half])
		b.held = b.held[half:]
		eventually(t, "half a record has come", func() bool { return s.Stats().BytesIn == before+int64(half) })
		next := moveTo(t, other, p, echoing)
		if st := next.c.TLS(); st == nil || st.Version != version {
			t.Errorf("%+v", st)
		}
		b.flush(t)
		b.hold = false
		expect(t, c, "a message")
		if err := roundTrip(c, []byte("and another"), make([]byte, 20)); err != nil {
			t.Error(err)
		}
		next.c.Finish(nil, waitLimit)
		expectEnd(t, c)
	})
}

// A deadline remains, and passes in the engine that the connection has entered.
func TestMoveWithDeadline(t *testing.T) {
	transports(t, func(t *testing.T, serve func(Options, func(*peer)) *server, client func(*server) net.Conn) {
		s, other := serve(Options{Sweep: time.Hour}, echoing), secondEngine(t, Options{Sweep: time.Millisecond})
		for _, d := range []time.Duration{0, 5 * time.Millisecond, time.Hour} {
			_ = client(s)
			p := receive(t, "OnOpen", s.new)
			turnOver(t, p)
			p.c.SetDeadline(d)
			over := make(chan struct{}, 1)
			next := moveTo(t, other, p, func(p *peer) { p.onDeadline = func() { over <- struct{}{} } })
			if d > 0 && d < time.Hour {
				receive(t, "OnDeadline", over)
				continue
			}
			at := next.c.expires.Load()
			if (at != 0) != (d != 0) {
				t.Errorf("after %v: the deadline is at %d", d, at)
			}
			if left := time.Until(other.clock.Time(at)); at != 0 && (left > time.Hour+time.Second || left < time.Hour/2) {
				t.Errorf("after %v: %v are left", d, left)
			}
		}
	})
}

// Input that a handler left over when it called Hold waits for Resume of the next handler.
func TestMoveHeld(t *testing.T) {
	left := make(chan struct{}, 1)
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func([]byte) int {
			p.c.Hold()
			left <- struct{}{}
			return 0
		}
	})
	other := secondEngine(t, Options{})
	nc, p := s.connect(t)
	write(t, nc, []byte("later"))
	receive(t, "OnData", left)
	turnOver(t, p)
	next := moveTo(t, other, p, echoing)
	turnOver(t, next)
	if !next.c.Held() || other.Stats().Held == 0 || s.Stats().Held != 0 {
		t.Errorf("held: %v, %d bytes, and %d where it was", next.c.Held(), other.Stats().Held, s.Stats().Held)
	}
	next.c.Resume()
	expect(t, nc, "later")
}

// After WriteLast all writes are refused, in the next engine too, and its error stays.
func TestMoveSealed(t *testing.T) {
	s, other := serve(t, Options{}, echoing), secondEngine(t, Options{})
	nc, p := s.connect(t)
	p.c.WriteLast([]byte("bye"), errTest)
	next := moveTo(t, other, p, echoing)
	if o := next.c.Write(nil, []byte("x")); o != Closed {
		t.Errorf("a write is %v", o)
	}
	expect(t, nc, "bye")
	nc.Close()
	if err := receive(t, "OnClose", next.closed); err != errTest {
		t.Errorf("closed with %v", err)
	}
}

// A handler may call Leave: the connection leaves after the turn.
func TestLeaveInTurn(t *testing.T) {
	states := make(chan *State, 1)
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.detached = true
			p.c.Leave(func(s *State, err error) {
				if err != nil {
					t.Error(err)
				}
				states <- s
			})
			p.c.Write(nil, []byte("gathered"))
			return 1
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, []byte("xy"))
	state := receive(t, "Leave", states)
	expect(t, nc, "gathered")
	next := newPeer(t)
	echoing(next)
	if err := s.Enter(state, next); err != nil {
		t.Fatal(err)
	}
	expect(t, nc, "y")
	if err := s.Enter(state, newPeer(t)); err != ErrClosed {
		t.Errorf("a State was entered twice: %v", err)
	}
	state.Close() // it is another's
	if err := roundTrip(nc, []byte("z"), make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestLeaveIsRefused(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, p := s.connect(t)
	x := must[*Exclusive](t)(p.c.Reserve())
	if _, err := takeOut(t, p); err != ErrReserved {
		t.Errorf("while it is reserved: %v", err)
	}
	x.Release()
	if err := roundTrip(nc, []byte("stays"), make([]byte, 5)); err != nil {
		t.Error(err)
	}
	p.c.Close(nil)
	receive(t, "OnClose", p.closed)
	if _, err := takeOut(t, p); err != ErrClosed {
		t.Errorf("when it is closed: %v", err)
	}
}

// Each Leave gets one answer, also if another goroutine closes the connection or calls Leave.
func TestLeaveRaces(t *testing.T) {
	s := serve(t, Options{}, echoing)
	for i := range 200 {
		_, p := s.connect(t)
		p.detached = true // or not
		answers := make(chan *State, 2)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				p.c.Leave(func(s *State, err error) {
					if (s == nil) == (err == nil) || err != nil && err != ErrClosed {
						t.Errorf("%v, %v", s, err)
					}
					answers <- s
				})
			})
		}
		if i%2 == 0 {
			all.Go(func() { p.c.Close(errTest) })
		}
		all.Wait()
		left := 0
		for range 2 {
			if s := receive(t, "an answer", answers); s != nil {
				left++
				s.Close()
			}
		}
		if left == 0 {
			receive(t, "OnClose", p.closed)
		} else if left > 1 || p.closes.Load() != 0 {
			t.Fatalf("it left %d times, and was closed %d times", left, p.closes.Load())
		}
	}
	eventually(t, "none is counted", func() bool { st := s.Stats(); return st.Open == 0 && st.Detached == 0 })
	if n := s.admission.taken.Load(); n != 0 || len(s.departures.calls) != 0 {
		t.Errorf("%d are taken, %d leave", n, len(s.departures.calls))
	}
}

// A State that an engine refuses is unchanged, and can enter another.
func TestEnterIsRefused(t *testing.T) {
	transports(t, func(t *testing.T, serve func(Options, func(*peer)) *server, client func(*server) net.Conn) {
		s, ended := serve(Options{MaxPending: 8 << 20}, echoing), secondEngine(t, Options{})
		if err := ended.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		nc := client(s)
		p := receive(t, "OnOpen", s.new)
		pending := make([]byte, 6<<20)
		pattern(pending, 0)
		if o := p.c.Write(nil, pending); o != Queued {
			t.Fatalf("%v", o)
		}
		p.c.SetDeadline(time.Hour)
		state := must[*State](t)(takeOut(t, p))
		if st := s.Stats(); st.Open != 0 || st.Detached != 1 || st.Queued != 0 || st.Held != 0 {
			t.Errorf("%+v", st)
		}
		deadline, active := state.deadline, state.active
		if err := ended.Enter(state, newPeer(t)); err != ErrShutdown {
			t.Errorf("%v", err)
		}
		if state.deadline != deadline || deadline.IsZero() || state.active != active {
			t.Errorf("the deadline was %v, and is %v", deadline, state.deadline)
		}
		if err := s.Enter(state, p); !errors.Is(err, errUsedHandler) {
			t.Errorf("%v", err)
		}
		if st := s.Stats(); st.Detached != 1 || s.admission.taken.Load() != 1 || ended.admission.taken.Load() != 0 {
			t.Errorf("%+v", st)
		}
		next := newPeer(t)
		echoing(next)
		if err := s.Enter(state, next); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(pending))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != string(pending) {
			t.Errorf("what was pending is not what came: %v", err)
		}
		if err := roundTrip(nc, []byte("echo"), make([]byte, 4)); err != nil {
			t.Error(err)
		}
		state = must[*State](t)(takeOut(t, next))
		state.Close()
		state.Close()
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Error("the connection goes on")
		}
		if tc, ok := nc.(*tls.Conn); ok {
			tc.NetConn().Close()
		}
		if st := s.Stats(); st.Detached != 0 || s.admission.taken.Load() != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Each Leave gets an answer, also if it comes while an engine refuses the connection.
func TestLeaveWhileEnterIsRefused(t *testing.T) {
	s, ended := serve(t, Options{}, echoing), secondEngine(t, Options{})
	if err := ended.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, p := s.connect(t)
	state := must[*State](t)(takeOut(t, p))
	defer state.Close()
	for range 500 {
		next := newPeer(t)
		stop, done := make(chan struct{}), make(chan struct{})
		var calls, answers atomic.Int64
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
					calls.Add(1)
					next.c.Leave(func(*State, error) { answers.Add(1) })
				}
			}
		}()
		for calls.Load() == 0 {
			runtime.Gosched()
		}
		if err := ended.Enter(state, next); err != ErrShutdown {
			t.Fatal(err)
		}
		close(stop)
		<-done
		if calls.Load() != answers.Load() {
			t.Fatalf("%d calls, %d answers", calls.Load(), answers.Load())
		}
	}
}

// stayer is a peer that decides whether its connection may leave.
type stayer struct {
	*peer
	may func() error
}

func (s *stayer) MayLeave() error { return s.may() }

func TestMayLeave(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, p := s.connect(t)
	answer := atomic.Pointer[error]{}
	answer.Store(&errTest)
	state := must[*State](t)(takeOut(t, p))
	next := newPeer(t)
	echoing(next)
	if err := s.Enter(state, &stayer{next, func() error {
		if err := answer.Load(); err != nil {
			return *err
		}
		panic("on purpose")
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := takeOut(t, next); err != errTest {
		t.Errorf("%v, want the handler's error", err)
	}
	answer.Store(nil)
	if _, err := takeOut(t, next); err != ErrPanic {
		t.Errorf("%v, want ErrPanic", err)
	}
	if err := roundTrip(nc, []byte("stays"), make([]byte, 5)); err != nil {
		t.Error(err)
	}
	answer.Store(new(error))
	state = must[*State](t)(takeOut(t, next))
	state.Close()
}
