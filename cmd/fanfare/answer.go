package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// plain is what a client is told of an error: without the package that noticed it.
func plain(err error) string { return wire.Plain(err) }

// answer sends v as JSON. It is encoded first, so that the status is true.
func (a *app) answer(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		a.log.Error("cannot encode an answer as JSON", "error", err)
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"error":"the answer cannot be encoded as JSON"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

func (a *app) fail(w http.ResponseWriter, status int, reason string) {
	a.answer(w, status, map[string]any{"error": reason})
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
	refusal := wsproto.Refuse(m.status, fmt.Sprintf("nothing is at %.100q; GET / shows the endpoints", path))
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
