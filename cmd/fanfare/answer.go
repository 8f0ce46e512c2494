package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// plain is what a client is told of an error: without the package that noticed it.
func plain(err error) string { return wire.Plain(err) }

// smallAnswer is how large an answer may be, in bytes, that is not counted: net/http
// itself has a buffer of that size for each connection.
const smallAnswer = 4 << 10

// answer sends v as JSON. It is encoded first, so that the status is true.
func (a *app) answer(w http.ResponseWriter, status int, v any) {
	b, err := encode(v)
	if err != nil {
		a.log.Error("cannot encode an answer as JSON", "error", err)
		status = http.StatusInternalServerError
		b, _ = encode(problem("the answer cannot be encoded as JSON"))
	}
	if len(b) > smallAnswer && !visitOf(w).transfer.grow(len(b)) {
		status = http.StatusServiceUnavailable
		b, _ = encode(problem(resume(w, "too many answers are under way")))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func problem(reason string) any { return map[string]any{"error": reason} }

// resume lets a request be answered whose transfer was given up, for a reason.
func resume(w http.ResponseWriter, reason string) string {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close")
	return reason + ": try again later"
}

func (a *app) fail(w http.ResponseWriter, status int, reason string) {
	a.answer(w, status, problem(reason))
}

// refuse answers as the policy says.
func (a *app) refuse(w http.ResponseWriter, refusal *wsproto.Refusal) {
	for name, values := range refusal.Header {
		w.Header()[name] = values
	}
	a.fail(w, refusal.Status, refusal.Reason)
}

// noSuch answers as the mux would where it knows no handler, but in JSON.
func (a *app) noSuch(w http.ResponseWriter, r *http.Request, mux http.Handler) {
	m := muxAnswer{header: make(http.Header)}
	mux.ServeHTTP(&m, r)
	path := r.URL.Path
	if m.status < http.StatusBadRequest { // it would redirect to a cleaner path
		m.status = http.StatusNotFound
	}
	refusal := wsproto.Refuse(m.status, fmt.Sprintf("nothing is at %.100q; GET / is a page to try the server from, and fanfare -help lists the endpoints", path))
	switch allow := m.header.Get("Allow"); {
	case allow != "":
		refusal.Reason = fmt.Sprintf("%.100q does not take %.20s; it takes %s", path, r.Method, allow)
		refusal.Header = http.Header{"Allow": {allow}}
	case strings.HasPrefix(path, topicsPath):
		refusal.Reason = fmt.Sprintf("nothing is at %.100q: the name of a topic has no slash; its parts are separated by dots, as in /topics/prices.eur", path)
	}
	a.refuse(w, refusal)
}

// muxAnswer takes status and header of an answer.
type muxAnswer struct {
	header http.Header
	status int
}

func (m *muxAnswer) Header() http.Header         { return m.header }
func (m *muxAnswer) WriteHeader(status int)      { m.status = status }
func (m *muxAnswer) Write(b []byte) (int, error) { return len(b), nil }
