package wsproto

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// newKey returns the nonce of a handshake (RFC 6455, 4.1).
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// acceptKey returns the proof that the server understood the handshake (RFC 6455, 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// startDial sends the request.
func (c *Conn) startDial() {
	d := c.extra.Load().opening.(*dial)
	if !d.claim(c) {
		c.io.Close(errOvertaken)
		return
	}
	c.io.SetDeadline(d.client.HandshakeTimeout)
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
		d.target.URI, d.target.Host, d.key)
	for i, p := range d.client.Subprotocols {
		sep := ", "
		if i == 0 {
			sep = "Sec-WebSocket-Protocol: "
		}
		b.WriteString(sep + p)
	}
	if len(d.client.Subprotocols) > 0 {
		b.WriteString("\r\n")
	}
	if k := c.endpoint.compression; k != nil {
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", k.offer().extension())
	}
	if a := d.target.Authorization; a != "" && d.client.Header.Get("Authorization") == "" {
		fmt.Fprintf(&b, "Authorization: %s\r\n", a)
	}
	_ = d.client.Header.Write(&b)
	b.WriteString("\r\n")
	c.io.Write(nil, b.Bytes())
}

// clientHandshake handles what has come of the server's response.
func (c *Conn) clientHandshake(data []byte) (used int) {
	end := bytes.Index(data, headerEnd) + len(headerEnd)
	if end < len(headerEnd) {
		if !bytes.HasPrefix(data, []byte("HTTP/")[:min(5, len(data))]) {
			c.io.Close(&HandshakeError{Reason: fmt.Sprintf("the server's response is not HTTP; it begins with %.20q", data)})
		} else if len(data) > defaultMaxHeader {
			c.io.Close(&HandshakeError{Reason: "the header of the server's response is too large"})
		}
		return 0
	}
	x := c.extra.Load()
	d := x.opening.(*dial)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
	if err == nil {
		if refused := resp.StatusCode != http.StatusSwitchingProtocols; refused && int64(len(data)-end) < min(resp.ContentLength, maxRefusal) {
			return 0 // the body, with the reason, is still to come
		}
		if err = d.judge(resp); err == nil {
			err = c.extensions(resp.Header)
		}
	} else {
		err = &HandshakeError{Reason: "the server's response is not HTTP", Err: err}
	}
	if err != nil {
		c.io.Close(err)
		return len(data)
	}
	if d.opened != nil {
		defer d.opened(c)
	}
	x.subprotocol = resp.Header.Get("Sec-WebSocket-Protocol")
	x.opening = nil
	if x.subprotocol == "" && x.takeover == nil {
		c.extra.Store(nil)
	}
	c.opened()
	r := Request{conn: c, ResponseHeader: resp.Header, Subprotocol: x.subprotocol}
	c.handler.OnOpen(c, &r)
	return end
}

// extensions applies the extensions that the server chose.
func (c *Conn) extensions(h http.Header) error {
	chosen := strings.Join(h.Values("Sec-WebSocket-Extensions"), ", ")
	if chosen == "" {
		return nil
	}
	d, err := c.endpoint.compression.judge(chosen)
	if err == nil {
		c.compress(d)
	}
	return err
}

// maxRefusal is the number of bytes kept of the body of a refusal.
const maxRefusal = 200

// judge checks the response (RFC 6455, 4.1).
func (d *dial) judge(resp *http.Response) error {
	switch h := resp.Header; {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return &HandshakeError{Status: resp.StatusCode, Reason: string(bytes.TrimSpace(body)), RetryAfter: retryAfter(h)}
	case !hasToken(h.Get("Upgrade"), "websocket"), !hasToken(h.Get("Connection"), "Upgrade"):
		return &HandshakeError{Reason: "the server's response does not upgrade to websocket"}
	case h.Get("Sec-WebSocket-Accept") != acceptKey(d.key):
		return &HandshakeError{Reason: "the server's Sec-WebSocket-Accept does not match the key that was sent"}
	case h.Get("Sec-WebSocket-Protocol") != "" && choose(d.client.Subprotocols, []string{h.Get("Sec-WebSocket-Protocol")}) == "":
		return &HandshakeError{Reason: "the server chose a subprotocol that was not offered: " + h.Get("Sec-WebSocket-Protocol")}
	}
	return nil
}
