package wsproto

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// openTunnel asks the target's proxy to connect to the target (RFC 9110, 9.3.6).
func (t *Target) openTunnel(rw io.ReadWriter) error {
	host := (&url.URL{Host: t.Host}).Hostname()
	port := (&url.URL{Host: t.Host}).Port()
	setDefault(&port, map[bool]string{false: "80", true: "443"}[t.TLS])
	at := net.JoinHostPort(host, port)
	request := "CONNECT " + at + " HTTP/1.1\r\nHost: " + at + "\r\n"
	if t.proxy.User != nil {
		request += "Proxy-Authorization: " + basicAuth(t.proxy.User) + "\r\n"
	}
	fail := HandshakeError{Proxy: t.proxy.Redacted()}
	if _, err := io.WriteString(rw, request+"\r\n"); err != nil {
		fail.Reason, fail.Err = "it does not read the request", err
		return &fail
	}
	header, err := readHeader(rw)
	if err != nil {
		fail.Reason, fail.Err = "it does not answer", err
		return &fail
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(header)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		fail.Reason, fail.Err = "its response is not HTTP", err
		return &fail
	}
	if resp.StatusCode/100 != 2 {
		fail.Status, fail.RetryAfter = resp.StatusCode, retryAfter(resp.Header)
		fail.Reason = strings.TrimSpace("it does not connect to " + at)
		return &fail
	}
	return nil
}

// readHeader reads up to the end of a header, and not a byte more: the next byte is the
// target's.
func readHeader(r io.Reader) (header []byte, err error) {
	var b [1]byte
	for !bytes.HasSuffix(header, headerEnd) {
		if len(header) > defaultMaxHeader {
			return nil, fmt.Errorf("its header is larger than %d bytes", defaultMaxHeader)
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		header = append(header, b[0])
	}
	return header, nil
}
