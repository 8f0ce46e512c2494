package backend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Hook is a question to the backend.
type Hook uint8

// The hooks.
const (
	Connect Hook = iota
	Subscribe
	Publish
	hooks = 3
)

// String returns the name that requests have.
func (h Hook) String() string { return [...]string{"connect", "subscribe", "publish"}[h] }

// Request is what the backend is asked about. A call does not use it after Go has returned.
type Request struct {
	Hook    Hook
	Client  string     // the connection's ID
	Address netip.Addr // of the client
	User    string     // if a token or an earlier answer has named one

	// For Connect.
	Path, Query string
	Header      http.Header // Options.Headers are sent

	// For Subscribe and Publish.
	Topic string

	// For Publish.
	Key     string
	Message Message
}

// Message is a message that a client publishes.
type Message struct {
	Form Form
	Data []byte
}

// Form says what the bytes of a message are.
type Form uint8

// The forms. A request has a message in the member "data", "text" or "base64".
const (
	NoMessage Form = iota
	JSON
	Text
	Binary
)

// owner is who waits for an answer.
type owner struct {
	user string
	from netip.Addr // or its network
}

func (r *Request) owner() owner {
	if r.User != "" {
		return owner{user: r.User}
	}
	if !r.Address.IsValid() {
		return owner{}
	}
	return owner{from: netpoll.OwnerOf(r.Address)}
}

// wire is the body of a request.
type wire struct {
	Hook    string            `json:"hook"`
	Client  string            `json:"client,omitempty"`
	Address string            `json:"address,omitempty"`
	User    string            `json:"user,omitempty"`
	Path    string            `json:"path,omitempty"`
	Query   string            `json:"query,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Topic   string            `json:"topic,omitempty"`
	Key     string            `json:"key,omitempty"`
	Data    json.RawMessage   `json:"data,omitempty"`
	Text    *string           `json:"text,omitempty"`
	Base64  *[]byte           `json:"base64,omitempty"`
}

// omittable are the members that HookOptions.Omit may name.
var omittable = []string{"client", "address", "path", "query"}

// encode returns the body of a request. Equal requests have equal bodies.
func (r *Request) encode(headers, omit []string) ([]byte, error) {
	w := wire{Hook: r.Hook.String(), Client: r.Client, User: r.User}
	if r.Address.IsValid() {
		w.Address = r.Address.Unmap().WithZone("").String()
	}
	switch r.Hook {
	case Connect:
		w.Path, w.Query, w.Headers = r.Path, r.Query, selected(r.Header, headers)
	case Publish:
		w.Key = r.Key
		w.message(r.Message)
		fallthrough
	case Subscribe:
		w.Topic = r.Topic
	}
	w.omit(omit)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(w); err != nil {
		return nil, fmt.Errorf("the message of a %s hook is not valid JSON", r.Hook)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (w *wire) message(m Message) {
	switch m.Form {
	case JSON:
		w.Data = m.Data
	case Text:
		text := string(m.Data)
		w.Text = &text
	case Binary:
		w.Base64 = &m.Data
	}
}

func (w *wire) omit(names []string) {
	for i, member := range []*string{&w.Client, &w.Address, &w.Path, &w.Query} { // as in omittable
		if slices.Contains(names, omittable[i]) {
			*member = ""
		}
	}
}

// selected returns the headers with those names, which are in canonical form.
func selected(h http.Header, names []string) map[string]string {
	some := make(map[string]string)
	for _, name := range names {
		separator := ", "
		if name == "Cookie" {
			separator = "; " // RFC 9113, 8.2.3
		}
		if values := h[name]; len(values) > 0 {
			some[name] = strings.Join(values, separator)
		}
	}
	return some
}
