package peers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// scripted is a peer whose steps are in testdata/peer.js.
type scripted struct {
	script.Engine
	name string // of the object there
}

// load loads testdata/peer.js into an engine.
func load(t *testing.T, s script.Engine) {
	t.Helper()
	code, err := os.ReadFile("testdata/peer.js")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Eval("{" + string(code) + "\n}"); err != nil {
		t.Fatal(err)
	}
}

func dialScript(s script.Engine) dialer {
	n := 0
	return func(t *testing.T, addr string) peer {
		n++
		p := &scripted{s, fmt.Sprintf("peers[%d]", n)}
		if _, err := s.Eval(fmt.Sprintf(`(%s = new Peer("ws://%s/")).open.then(() => null)`, p.name, addr)); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// call calls a method and decodes its result, unless result is nil.
func (p *scripted) call(result any, method string, args ...any) error {
	var in []string
	for _, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			return err
		}
		in = append(in, string(b))
	}
	value, err := p.Eval(p.name + "." + method + "(" + strings.Join(in, ", ") + ")")
	if err != nil {
		return err
	}
	if string(value) == `"unsupported"` {
		return errors.ErrUnsupported
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(value, result)
}

// MarshalJSON encodes a message for peer.js; the unit, which may not be UTF-8, in base64.
func (m message) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"text": m.op == wsproto.Text, "unit": []byte(m.unit), "times": m.times})
}

func (p *scripted) extensions() (e string) {
	if err := p.call(&e, "extensions"); err != nil {
		return err.Error()
	}
	return e
}

func (p *scripted) roundTrip(send, want message) error { return p.call(nil, "roundTrip", send, want) }

func (p *scripted) fragments(parts []message) error {
	return p.call(nil, "fragments", parts, message{parts[0].op, join(parts), 1})
}

func (p *scripted) ping(payload string) error { return p.call(nil, "ping", payload) }

func (p *scripted) close(code wsproto.Code, reason string) (wsproto.Code, error) {
	var answer struct{ Code wsproto.Code }
	err := p.call(&answer, "close", code, reason)
	return answer.Code, err
}

func (p *scripted) closed(send message) (wsproto.Code, string, error) {
	var heard struct {
		Code   wsproto.Code
		Reason string
	}
	err := p.call(&heard, "closed", send)
	return heard.Code, heard.Reason, err
}

func (p *scripted) hangUp() { _ = p.call(nil, "hangUp") }
