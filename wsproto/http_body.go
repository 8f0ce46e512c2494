package wsproto

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// requestBody is the body of a request. A pace bounds the time that it may take. The rest that the
// handler did not read is not waited for: net/http would read on, before and after it
// responds, without a deadline.
type requestBody struct {
	conn    *httpConn
	from    io.ReadCloser
	left    int64 // to come; -1 if unknown
	expects bool  // the peer waits for 100 (Continue)

	mu    sync.Mutex // held during a read
	pace  pace
	began bool
	err   error // of the last read; io.EOF if all has come
	limit ownDeadline
}

func newBody(c *httpConn, r *http.Request) *requestBody {
	return &requestBody{conn: c, from: r.Body, left: r.ContentLength, expects: r.Header.Get("Expect") != "", pace: newPace(c.server.HTTPTimeout, c.server.MinRate)}
}

func (b *requestBody) Read(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	b.pace.wait(func(until time.Time) { n = b.readLocked(p, until) })
	b.pace.credit(n)
	return n, b.err
}

// readLocked reads, for no longer than until. The deadline is removed afterwards: when all
// has come net/http waits for the peer to leave, for as long as the handler works.
func (b *requestBody) readLocked(p []byte, until time.Time) (n int) {
	b.limit.apply(until, b.conn.SetReadDeadline)
	b.began = true
	n, b.err = b.from.Read(p)
	_ = b.conn.SetReadDeadline(time.Time{})
	if b.left >= 0 {
		b.left -= int64(n)
	}
	return n
}

// Close does not wait for the rest.
func (b *requestBody) Close() error {
	b.settle()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
	}
	return nil
}

// A small rest of a body that the handler did not read is read if it is there or about to
// come: then the connection can stay.
const (
	settleMost = 16 << 10
	settleTime = 50 * time.Millisecond
)

// settle reports whether all of the body has come.
func (b *requestBody) settle() bool {
	if !b.mu.TryLock() {
		return false // a read is under way
	}
	defer b.mu.Unlock()
	if b.err != nil || b.expects && !b.began || b.left > settleMost {
		return b.err == io.EOF
	}
	until, rest := time.Now().Add(settleTime), make([]byte, 2<<10)
	for n := 0; n <= settleMost && b.err == nil; {
		n += b.readLocked(rest, until)
	}
	return b.err == io.EOF
}

// lingerTime is how long net/http may discard the unread rest of a body, up to 256 KiB, after
// the response. If the connection were closed at once the kernel would reset it, and the peer
// might never read the response.
const lingerTime = time.Second

// reply is the response to a request with a body. It ends the connection if the body has not
// come completely.
type reply struct {
	http.ResponseWriter
	body     *requestBody
	began    bool
	duplex   bool // the handler reads on while it responds
	hijacked bool
}

// begin is called before the header is sent.
func (a *reply) begin() {
	if a.began || a.hijacked {
		return
	}
	a.began = true
	if !a.duplex && !a.body.settle() {
		a.Header().Set("Connection", "close")
	}
}

// end is called when the handler has returned.
func (a *reply) end() {
	a.begin()
	if a.hijacked {
		return
	}
	a.body.mu.Lock()
	defer a.body.mu.Unlock()
	if a.body.err != io.EOF {
		_ = a.body.conn.SetReadDeadline(time.Now().Add(lingerTime))
	}
}

func (a *reply) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *reply) Write(p []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(p)
}

// WriteString implements io.StringWriter.
func (a *reply) WriteString(s string) (int, error) {
	a.begin()
	return io.WriteString(a.ResponseWriter, s)
}

// ReadFrom implements io.ReaderFrom.
func (a *reply) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return a.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}

// Flush implements http.Flusher.
func (a *reply) Flush() { _ = a.FlushError() }

// FlushError is called by http.ResponseController.
func (a *reply) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (a *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	a.hijacked = err == nil
	return nc, rw, err
}

// SetReadDeadline is called by http.ResponseController. It bounds the body, in addition to
// the pace.
func (a *reply) SetReadDeadline(t time.Time) error {
	a.body.limit.set(t)
	return a.body.conn.SetReadDeadline(t)
}

// EnableFullDuplex is called by http.ResponseController.
func (a *reply) EnableFullDuplex() error {
	a.duplex = true
	return http.NewResponseController(a.ResponseWriter).EnableFullDuplex()
}

// Unwrap is called by http.ResponseController for everything else.
func (a *reply) Unwrap() http.ResponseWriter { return a.ResponseWriter }
