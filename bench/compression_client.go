package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// deflateLoad is a client with several connections that sends compressed messages and counts the bytes of the echoes. It does
// not decompress them, so that it leaves the processor to the server.
type deflateLoad struct {
	frames        [][]byte // that each connection sends one after the other
	conns         []deflateConn
	sent          int // messages of each connection
	echoes, bytes int
}

type deflateConn struct {
	net.Conn
	r *bufio.Reader
}

func (l *deflateLoad) dial(addr string, s servers.Compressing, deadline time.Time) error {
	c, err := dialDeflate(addr, s.Bits, s.Takeover)
	if err != nil {
		return err
	}
	l.conns = append(l.conns, c)
	return c.SetDeadline(deadline)
}

func (l *deflateLoad) close() {
	for _, c := range l.conns {
		_ = c.Close()
	}
}

// round sends a message on each connection and waits for the echoes.
func (l *deflateLoad) round() error {
	for i, c := range l.conns {
		if _, err := c.Write(l.frames[(l.sent+i)%len(l.frames)]); err != nil {
			return err
		}
	}
	l.sent++
	for _, c := range l.conns {
		e, err := c.echo()
		if err != nil {
			return err
		}
		l.echoes++
		l.bytes += e.size
	}
	return nil
}

// check sends one message and compares its echo with plain.
func (l *deflateLoad) check(plain [][]byte) error {
	if _, err := l.conns[0].Write(l.frames[0]); err != nil {
		return err
	}
	e, err := l.conns[0].echo()
	if err != nil {
		return err
	}
	got := e.payload
	if e.deflated {
		got, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(got), strings.NewReader(flushTail+"\x01\x00\x00\xff\xff"))))
	}
	if err == nil && !bytes.Equal(got, plain[0]) {
		err = errors.New("the echo is another message")
	}
	return err
}

func dialDeflate(addr string, bits int, takeover bool) (c deflateConn, err error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return c, err
	}
	offer := "permessage-deflate; client_max_window_bits; client_no_context_takeover"
	if bits < 15 {
		offer += "; server_max_window_bits=" + strconv.Itoa(bits)
	}
	if !takeover {
		offer += "; server_no_context_takeover"
	}
	c = deflateConn{conn, bufio.NewReaderSize(conn, 256<<10)}
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: %s\r\n\r\n", offer)
	if err != nil {
		return c, errors.Join(err, conn.Close())
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil && !strings.HasPrefix(resp.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate") {
		err = fmt.Errorf("the server does not compress: %s", resp.Status)
	}
	if err != nil {
		return c, errors.Join(err, conn.Close())
	}
	return c, nil
}

// deflateEcho is an echo: a frame of size bytes.
type deflateEcho struct {
	size     int
	deflated bool
	payload  []byte
}

func (c *deflateConn) echo() (e deflateEcho, err error) {
	var head [10]byte
	if _, err = io.ReadFull(c.r, head[:2]); err != nil {
		return e, err
	}
	n, more := uint64(head[1]&0x7f), 0
	switch n {
	case 126:
		more = 2
		_, err = io.ReadFull(c.r, head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		more = 8
		_, err = io.ReadFull(c.r, head[2:])
		n = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return e, err
	}
	e = deflateEcho{2 + more + int(n), head[0]&0x40 != 0, make([]byte, n)}
	_, err = io.ReadFull(c.r, e.payload)
	return e, err
}

// deflateFrame returns a masked frame with p compressed, as browsers and Autobahn send it: also if it does not become smaller.
func deflateFrame(p []byte) []byte {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, 6)
	if err != nil {
		panic(err) // 6 is a level
	}
	_, _ = w.Write(p) // to memory
	_ = w.Flush()
	payload := bytes.TrimSuffix(small.Bytes(), []byte(flushTail))
	h := ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpBinary, Masked: true, Length: int64(len(payload))}
	return ws.MustCompileFrame(ws.Frame{Header: h, Payload: payload}) // masking with zeros changes nothing
}

// flushTail ends a flushed block, and is not sent (RFC 7692, 7.2.1).
const flushTail = "\x00\x00\xff\xff"

// cpuOf returns the processor time of a process in nanoseconds.
func cpuOf(pid int) (float64, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("the kernel does not say how long process %d has run: %w", pid, errors.Join(err, os.ErrNotExist))
	}
	sum := 0.0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		ns, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseFloat(ns, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
