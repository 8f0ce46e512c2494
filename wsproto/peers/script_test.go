package peers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// script is somewhere that testdata/peer.js runs. eval returns the value of an
// expression, or of the promise that it is.
type script interface {
	eval(expression string) (json.RawMessage, error)
}

// scripted is a peer whose steps stand in testdata/peer.js.
type scripted struct {
	script
	name string // of the object there
}

func dialScript(s script) dialer {
	n := 0
	return func(t *testing.T, addr string) peer {
		n++
		p := &scripted{s, fmt.Sprintf("peers[%d]", n)}
		if _, err := s.eval(fmt.Sprintf(`(%s = new Peer("ws://%s/")).open.then(() => null)`, p.name, addr)); err != nil {
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
	value, err := p.eval(p.name + "." + method + "(" + strings.Join(in, ", ") + ")")
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

// MarshalJSON encodes a message for peer.js; the unit, which may be no UTF-8, in
// base64.
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
