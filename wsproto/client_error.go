package wsproto

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// HandshakeError says why a connection to a server was not opened.
type HandshakeError struct {
	Status int    // of HTTP; 0 if the response was not HTTP, or none came
	Reason string // for a refusal, the start of the response's body
	Err    error  // of the transport, or nil
	// Proxy is the URL of the proxy that responded, without a password; "" if it was the
	// server.
	Proxy string
	// RetryAfter is the time after which the server asks the client to try again, if it does.
	RetryAfter time.Duration
}

func (e *HandshakeError) Error() string {
	s := "wsproto: handshake failed: "
	from := "the server"
	if e.Proxy != "" {
		from = "the proxy " + e.Proxy
	}
	if e.Status != 0 {
		s += fmt.Sprintf("%s answered %d %s", from, e.Status, http.StatusText(e.Status))
		if e.Reason != "" {
			s += ": "
		}
	} else if e.Proxy != "" {
		s += from + ": "
	}
	s += e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// retryAfter returns the duration in the field Retry-After (RFC 9110, 10.2.3), or 0.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// handshakeError returns err as a *HandshakeError.
func handshakeError(err error) error {
	var he *HandshakeError
	switch {
	case errors.As(err, &he):
		return err
	case errors.Is(err, io.EOF):
		return &HandshakeError{Reason: "the server closed the connection before it responded to the handshake", Err: io.ErrUnexpectedEOF}
	}
	return &HandshakeError{Reason: "the connection failed", Err: err}
}
