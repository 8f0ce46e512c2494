package main

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// answer is the head of a response.
type answer struct {
	method string // of the request
	status int
	line   string
	header textproto.MIMEHeader
}

// handshake sends the request of h and checks the response. offer is the value of Sec-WebSocket-Extensions; early is sent
// right after the request, in the same write.
func (p *peer) handshake(t *target, h handshake, offer, early string) (*answer, error) {
	text := h.text
	if text == "" {
		text = request()
		if offer != "" {
			text = request("Sec-WebSocket-Extensions: " + offer)
		}
	}
	text = strings.NewReplacer("{host}", t.host, "{path}", t.path).Replace(text)
	m := p.mode
	if h.text == "" {
		p.mode = whole // the case is not about the handshake
	}
	p.write(text + early)
	p.mode = m
	a, err := p.answer()
	if err != nil {
		return nil, fmt.Errorf("want an HTTP response; %w", inWords(err))
	}
	a.method, _, _ = strings.Cut(text, " ")
	want := h.status
	if want == 0 {
		want = http.StatusSwitchingProtocols
	}
	if a.status != want {
		return nil, fmt.Errorf("want status %d; got %q", want, a.line)
	}
	if got := a.header["Sec-Websocket-Accept"]; a.status == http.StatusSwitchingProtocols && !slices.Equal(got, []string{acceptKey(sampleKey)}) {
		return nil, fmt.Errorf("want Sec-WebSocket-Accept %s; got %q", acceptKey(sampleKey), got)
	}
	return a, a.judge(h.fields)
}

func (p *peer) answer() (a *answer, err error) {
	r := textproto.NewReader(p.br)
	a = new(answer)
	if a.line, err = r.ReadLine(); err != nil {
		return nil, err
	}
	if len(a.line) < 12 || !strings.HasPrefix(a.line, "HTTP/1.1 ") {
		return nil, fmt.Errorf("got %.40q", a.line)
	}
	if a.status, err = strconv.Atoi(a.line[9:12]); err != nil {
		return nil, fmt.Errorf("got %.40q", a.line)
	}
	a.header, err = r.ReadMIMEHeader()
	return a, err
}

func (a *answer) judge(want []string) error {
	for _, w := range want {
		name, value, _ := strings.Cut(w, ": ")
		if not, ok := strings.CutPrefix(name, "-"); ok {
			if len(a.header[not]) > 0 {
				return fmt.Errorf("want no field %s; got %q", not, a.header[not])
			}
		} else if !slices.Contains(a.header[name], value) {
			return fmt.Errorf("want the field %s: %s; got %q", name, value, a.header[name])
		}
	}
	return nil
}

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// refused reads the rest of a refusal: a body, which must not be empty, and the end of the connection after the client has
// ended its side.
func (p *peer) refused(a *answer) error {
	if a.method != http.MethodHead {
		n, err := strconv.ParseUint(a.header.Get("Content-Length"), 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("want a body that says why, with its length; got Content-Length %q", a.header["Content-Length"])
		}
		if _, err := io.CopyN(io.Discard, p.br, int64(n)); err != nil {
			return errors.New("got a body that is shorter than its Content-Length")
		}
	}
	_ = p.nc.CloseWrite()
	return p.eof()
}
