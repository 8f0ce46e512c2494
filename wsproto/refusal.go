package wsproto

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Refusal is an error of Server.Accept or AcceptAsync that says how the handshake is refused.
type Refusal struct {
	Status int // of HTTP
	Reason string
	Header http.Header // added to the response

	logged bool // with more detail than its reason has
}

// Refuse returns a [Refusal].
func Refuse(status int, reason string) *Refusal {
	return &Refusal{Status: status, Reason: reason}
}

func (e *Refusal) Error() string {
	return fmt.Sprintf("wsproto: handshake refused with %d: %s", e.Status, e.Reason)
}

// orNil returns e as an error, nil if e is nil.
func (e *Refusal) orNil() error {
	if e == nil {
		return nil
	}
	return e
}

// ServeHTTP responds to a request of net/http with the refusal.
func (e *Refusal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	for name, values := range e.Header {
		w.Header()[name] = values
	}
	http.Error(w, e.Reason, e.Status)
}

// encode returns the response; without its body if the request was HEAD (RFC 9110, 9.3.2).
func (e *Refusal) encode(head bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n",
		e.Status, http.StatusText(e.Status), len(e.Reason)+1)
	_ = e.Header.Write(&b)
	b.WriteString("\r\n")
	if !head {
		b.WriteString(e.Reason + "\n")
	}
	return b.Bytes()
}

// isHead reports whether the request in data has the method HEAD.
func isHead(data []byte) bool { return bytes.HasPrefix(data, methodHead) }

var methodHead = []byte("HEAD ")

// retryAfterTime refuses a client that may try again after d.
func retryAfterTime(status int, reason string, d time.Duration) *Refusal {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	return &Refusal{Status: status, Reason: reason, Header: http.Header{"Retry-After": {strconv.Itoa(seconds)}}}
}

// retryLater refuses a client that may succeed a few seconds later.
func retryLater(reason string) *Refusal {
	return retryAfterTime(http.StatusServiceUnavailable, reason, 5*time.Second)
}
