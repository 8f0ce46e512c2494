package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// plain returns the text of an error for a client: without the name of the package.
func plain(err error) string { return wire.Plain(err) }

// smallAnswer is the size of responses, in bytes, up to which they are not counted: net/http has a buffer of that size for
// each connection anyway.
const smallAnswer = 4 << 10

// answer sends v as JSON. It encodes v first, so that it can still send an error status.
func (a *app) answer(w http.ResponseWriter, status int, v any) {
	b, err := encode(v)
	if err != nil {
		a.log.Error("cannot encode a response as JSON", "error", err)
		status = http.StatusInternalServerError
		b, _ = encode(problem("the response cannot be encoded as JSON"))
	}
	if len(b) > smallAnswer && !visitOf(w).transfer.grow(len(b)) {
		status = http.StatusServiceUnavailable
		b, _ = encode(problem(resume(w, "the server holds too many responses")))
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

// resume makes the response to a request possible whose transfer was shed, and returns the reason for the client.
func resume(w http.ResponseWriter, reason string) string {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close")
	return reason + "; try again later"
}

func (a *app) fail(w http.ResponseWriter, status int, reason string) {
	a.answer(w, status, problem(reason))
}

// refuse answers with a refusal.
func (a *app) refuse(w http.ResponseWriter, refusal *wsproto.Refusal) {
	for name, values := range refusal.Header {
		w.Header()[name] = values
	}
	a.fail(w, refusal.Status, refusal.Reason)
}

// deny answers with a refusal of the policy.
func (a *app) deny(w http.ResponseWriter, refusal *policy.Refusal) {
	a.refuse(w, a.refusals.policy(refusal, fromClient(visitOf(w).caller.client)).Handshake())
}

// noSuch answers as the mux does if it has no handler, but in JSON.
func (a *app) noSuch(w http.ResponseWriter, r *http.Request, mux http.Handler) {
	m := muxAnswer{header: make(http.Header)}
	mux.ServeHTTP(&m, r)
	path := r.URL.Path
	if m.status < http.StatusBadRequest { // the mux would redirect to a cleaner path
		m.status = http.StatusNotFound
	}
	refusal := wsproto.Refuse(m.status, fmt.Sprintf("there is no endpoint %.100q; GET / is a page to try the server, and fanfare -help lists the endpoints", path))
	switch allow := m.header.Get("Allow"); {
	case allow != "":
		refusal.Reason = fmt.Sprintf("%.100q does not allow %.20s; it allows %s", path, r.Method, allow)
		refusal.Header = http.Header{"Allow": {allow}}
	case strings.HasPrefix(path, topicsPath):
		refusal.Reason = fmt.Sprintf("there is no endpoint %.100q: topic names have no slash; their parts are separated by dots, as in /topics/prices.eur", path)
	}
	a.refuse(w, refusal)
}

// muxAnswer records status and header of a response.
type muxAnswer struct {
	header http.Header
	status int
}

func (m *muxAnswer) Header() http.Header         { return m.header }
func (m *muxAnswer) WriteHeader(status int)      { m.status = status }
func (m *muxAnswer) Write(b []byte) (int, error) { return len(b), nil }
