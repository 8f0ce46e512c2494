package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

const topicsPath = "/topics/"

// accept finds the handler for a WebSocket's path.
func (a *app) accept(r *wsproto.Request) error {
	path := r.Path()
	if path == "/echo" {
		r.Handler = a.echo
		return nil
	}
	name, ok := strings.CutPrefix(path, topicsPath)
	if !ok {
		return wsproto.Refuse(http.StatusNotFound, "there is no WebSocket at "+path+": try /echo or "+topicsPath+"NAME")
	}
	if err := hub.CheckName(name); err != nil {
		return wsproto.Refuse(http.StatusBadRequest, plain(err))
	}
	if strings.Contains(r.URI, "?") && r.Query().Get("echo") == "1" {
		r.Handler = &loud{member{hub: a.hub}}
	} else {
		r.Handler = &member{hub: a.hub}
	}
	return nil
}

// member is a connection in a topic: who connects is subscribed, and what it sends
// is published to the others. There is one for every client, so it is small.
type member struct {
	hub *hub.Hub
	sub hub.Subscription
}

func (m *member) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	if _, err := m.hub.Subscribe(strings.TrimPrefix(r.Path(), topicsPath), &m.sub, c, hub.SubscribeOptions{}); err != nil {
		c.Close(wsproto.PolicyViolation, err.Error())
	}
}

func (m *member) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	m.sub.Publish(hub.Message{Prepared: wsproto.Prepare(op, payload), Except: c})
}

func (m *member) OnClose(*wsproto.Conn, *wsproto.CloseError) { m.sub.Unsubscribe() }

// loud is a member that gets its own messages too.
type loud struct{ member }

func (m *loud) OnMessage(_ *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	m.sub.Publish(hub.Message{Prepared: wsproto.Prepare(op, payload)})
}

// publish is POST /topics/{name}.
func (a *app) publish(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := hub.CheckName(name); err != nil {
		fail(w, http.StatusBadRequest, plain(err))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(a.cfg.maxMessage)))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, the limit of a message", large.Limit))
			return
		}
		fail(w, http.StatusBadRequest, "the body could not be read: "+err.Error())
		return
	}
	op := opcode(r.Header.Get("Content-Type"))
	if op == wsproto.Text && !utf8.Valid(body) {
		fail(w, http.StatusBadRequest, "the body is not UTF-8, as text has to be; send it as application/octet-stream")
		return
	}
	rc, err := a.hub.Publish(name, hub.Message{Prepared: wsproto.Prepare(op, body)})
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"topic": name, "subscribers": rc.Receivers, "position": rc.Position})
}

// plain is what a client is told of an error: without the package that noticed it.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "hub: ") }

// opcode is Text for text/* and Binary for everything else.
func opcode(contentType string) wsproto.Opcode {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && strings.HasPrefix(media, "text/") {
		return wsproto.Text
	}
	return wsproto.Binary
}

func (a *app) listTopics(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"topics": a.hub.Topics()})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // nobody to tell if the client is gone
}

func fail(w http.ResponseWriter, status int, reason string) {
	answer(w, status, map[string]any{"error": reason})
}
