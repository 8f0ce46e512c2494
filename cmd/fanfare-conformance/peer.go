package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// mode is how the bytes of a script are written.
type mode string

const (
	// whole writes all bytes of a turn at once.
	whole mode = "whole"
	// pieces writes byte by byte, and long turns in larger pieces.
	pieces mode = "byte by byte"
)

// maxWrites is the number of bytes above which a turn is written in larger pieces instead of byte by byte.
const maxWrites = 2048

// peer is a client over raw TCP that can break any rule. It shares no code with the server under test.
type peer struct {
	nc    *net.TCPConn
	br    *bufio.Reader
	mode  mode
	trace *trace
	part  event     // an incomplete message
	unzip *inflater // nil without compression
}

// dial connects to the target. Everything on the connection must happen within the timeout.
func dial(t *target, m mode, timeout time.Duration) (*peer, error) {
	nc, err := net.DialTimeout("tcp", t.addr, timeout)
	if err != nil {
		return nil, err
	}
	p := &peer{nc: nc.(*net.TCPConn), mode: m, trace: new(trace)}
	_ = nc.SetDeadline(time.Now().Add(timeout))
	_ = p.nc.SetNoDelay(true)
	p.br = bufio.NewReader(io.TeeReader(nc, &p.trace.in))
	return p, nil
}

// write sends s in the peer's mode. It ignores errors: a server that has failed the connection need not read on, and the peer
// reads what the server sends in any case.
func (p *peer) write(s string) {
	size := len(s)
	if p.mode == pieces {
		size = 1
		if len(s) > maxWrites {
			size = max(997, len(s)/500|1) // not a power of two
		}
	}
	p.trace.out.add(s)
	for len(s) > 0 {
		n := min(size, len(s))
		if _, err := io.WriteString(p.nc, s[:n]); err != nil {
			return
		}
		s = s[n:]
	}
}

// play plays the turns of s and its end.
func (p *peer) play(s *script) error {
	for i, t := range s.turns {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			p.write(strings.Join(t.out, ""))
		}()
		err := p.expect(t.in)
		if err == nil && i == len(s.turns)-1 {
			err = p.end(s, sent)
		}
		if err != nil {
			p.nc.Close() // the writer may wait for a server that does not read
		}
		<-sent
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) expect(want []event) error {
	for _, w := range want {
		got, err := p.next()
		if err != nil {
			return fmt.Errorf("want %v; %w", w, err)
		}
		if got.op != w.op || got.payload != w.payload || w.packed != either && w.packed != got.packed {
			return fmt.Errorf("want %v; got %v%s", w, got, difference(w, got))
		}
	}
	return nil
}

// end reads the server's close frame. Unless the script sent a close frame itself, end answers once everything is sent. Then
// it reads the end of the connection.
func (p *peer) end(s *script, sent <-chan struct{}) error {
	want := event{op: opClose}
	if s.code != noCode {
		want.payload = closeBody(s.code, "")
	}
	got, err := p.next()
	if err != nil {
		return fmt.Errorf("want %v; %w", want, err)
	}
	if got.op != opClose || abridge(got.payload, 2) != want.payload {
		return fmt.Errorf("want %v; got %v", want, got)
	}
	if !s.ours {
		<-sent
		p.write(frame(fin|opClose, abridge(got.payload, 2)))
	}
	return p.eof()
}

// eof expects an orderly end of the connection.
func (p *peer) eof() error {
	rest, err := io.ReadAll(io.LimitReader(p.br, 100))
	if err != nil {
		return fmt.Errorf("want the end of the connection; %w", inWords(err))
	}
	if len(rest) > 0 {
		return fmt.Errorf("want the end of the connection; got % x", rest)
	}
	return nil
}

// next reads frames until a message is complete, or a control frame.
//
// A control frame may come between the fragments of a message. Then the fragments stay in p.part.
func (p *peer) next() (event, error) {
	for {
		e := &p.part
		b0, payload, err := p.frame()
		if err == nil {
			err = p.judge(b0, payload, e.op != opCont)
		}
		if err != nil {
			return event{}, err
		}
		op := b0 & 0xf
		if op >= opClose {
			return event{op: op, payload: string(payload)}, nil
		}
		if op != opCont {
			e.op, e.packed = op, plainly
			if b0&rsv1 != 0 {
				e.packed = compressed
			}
		}
		e.payload += string(payload)
		if b0&fin != 0 {
			whole := *e
			*e = event{}
			return p.message(whole)
		}
	}
}

// message inflates and checks a complete message.
func (p *peer) message(e event) (event, error) {
	if e.packed == compressed {
		text, err := p.unzip.inflate(e.payload)
		if err != nil {
			return e, fmt.Errorf("got a compressed message that cannot be inflated: %w", err)
		}
		e.payload = text
	}
	if e.op == opText && !utf8.ValidString(e.payload) {
		return e, errors.New("got a text message that is not UTF-8")
	}
	return e, nil
}

// judge returns an error for a frame that a server must not send.
func (p *peer) judge(b0 byte, payload []byte, within bool) error {
	switch op := b0 & 0xf; {
	case b0&0x30 != 0, b0&rsv1 != 0 && (p.unzip == nil || op != opText && op != opBinary):
		return fmt.Errorf("got a frame with reserved bits: %#x", b0)
	case opNames[op] == "":
		return fmt.Errorf("got a frame with a reserved opcode: %#x", b0)
	case op >= opClose && (b0&fin == 0 || len(payload) > 125):
		return fmt.Errorf("got a control frame that is fragmented or too long: %#x, %d bytes", b0, len(payload))
	case op == opCont && !within, (op == opText || op == opBinary) && within:
		return fmt.Errorf("got a frame out of place: %#x", b0)
	case op == opClose && (len(payload) == 1 || len(payload) > 2 && !utf8.Valid(payload[2:])):
		return fmt.Errorf("got a close frame that is malformed: %q", payload)
	}
	return nil
}

// frame reads a frame. It must be unmasked, and its length in the shortest form.
func (p *peer) frame() (b0 byte, payload []byte, err error) {
	var b [8]byte
	if _, err = io.ReadFull(p.br, b[:2]); err != nil {
		return 0, nil, inWords(err)
	}
	b0 = b[0]
	n, least := uint64(b[1]), uint64(0)
	switch {
	case n&0x80 != 0:
		return 0, nil, fmt.Errorf("got a masked frame: % x", b[:2])
	case n == 126:
		_, err = io.ReadFull(p.br, b[6:])
		n, least = uint64(binary.BigEndian.Uint16(b[6:])), 126
	case n == 127:
		_, err = io.ReadFull(p.br, b[:])
		n, least = binary.BigEndian.Uint64(b[:]), 1<<16
	}
	if err != nil {
		return 0, nil, inWords(err)
	}
	if n < least || n > 64*mib {
		return 0, nil, fmt.Errorf("got a length of %d, which is not in its shortest form or larger than anything that was sent", n)
	}
	payload = make([]byte, n)
	if _, err = io.ReadFull(p.br, payload); err != nil {
		return 0, nil, inWords(err)
	}
	return b0, payload, nil
}

// inWords describes the error of a read.
func inWords(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("got nothing before the timeout")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("got the end of the connection in the middle of a frame")
	case errors.Is(err, io.EOF):
		return errors.New("got the end of the connection")
	case strings.Contains(err.Error(), "reset by peer"):
		return errors.New("got a reset of the connection")
	}
	return err
}
