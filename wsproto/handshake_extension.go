package wsproto

import (
	"iter"
	"strconv"
	"strings"
)

// extension is one entry of Sec-WebSocket-Extensions (RFC 6455, 9.1).
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	valued      bool // has a value, even an empty one
}

// parseExtensions parses the values of all fields of that name as one list. ok is false if
// one of them does not follow the grammar.
func parseExtensions(values iter.Seq[[]byte]) (all []extension, ok bool) {
	for v := range values {
		l := lexer{v}
		for {
			l.skip(" \t,") // an element of a list may be empty (RFC 9110, 5.6.1)
			if len(l.rest) == 0 {
				break
			}
			e := extension{name: l.token()}
			for ok = e.name != ""; ok && l.take(';'); {
				var p param
				p, ok = l.param()
				e.params = append(e.params, p)
			}
			if l.skip(" \t"); !ok || len(l.rest) > 0 && l.rest[0] != ',' {
				return nil, false
			}
			all = append(all, e)
		}
	}
	return all, len(all) > 0
}

// lexer splits the value of a header field into tokens.
type lexer struct{ rest []byte }

func (l *lexer) skip(any string) {
	for len(l.rest) > 0 && strings.IndexByte(any, l.rest[0]) >= 0 {
		l.rest = l.rest[1:]
	}
}

// take consumes b if it is next, and reports whether it was.
func (l *lexer) take(b byte) bool {
	l.skip(" \t")
	if len(l.rest) == 0 || l.rest[0] != b {
		return false
	}
	l.rest = l.rest[1:]
	return true
}

// token consumes a token, and returns "" if there is none.
func (l *lexer) token() string {
	l.skip(" \t")
	n := 0
	for n < len(l.rest) && isToken(l.rest[n:n+1]) {
		n++
	}
	t := l.rest[:n]
	l.rest = l.rest[n:]
	return string(t)
}

// param consumes token [ "=" ( token | quoted-string ) ], where the quoted string must be a
// token too (RFC 6455, 9.1).
func (l *lexer) param() (p param, ok bool) {
	if p.name = l.token(); p.name == "" || !l.take('=') {
		return p, p.name != ""
	}
	p.valued = true
	if l.take('"') {
		p.value = l.quoted()
	} else {
		p.value = l.token()
	}
	return p, p.value != ""
}

// quoted consumes up to the closing quote, and returns "" if that is not a token.
func (l *lexer) quoted() string {
	var value []byte
	for len(l.rest) > 0 {
		b := l.rest[0]
		l.rest = l.rest[1:]
		switch {
		case b == '"' && isToken(value):
			return string(value)
		case b == '"':
			return ""
		case b == '\\' && len(l.rest) > 0:
			b = l.rest[0]
			l.rest = l.rest[1:]
		}
		value = append(value, b)
	}
	return ""
}

// String returns e as it is written in a header.
func (e extension) String() string {
	var b strings.Builder
	b.WriteString(e.name)
	for _, p := range e.params {
		b.WriteString("; " + p.name)
		if p.valued {
			b.WriteString("=" + p.value)
		}
	}
	return b.String()
}

const deflateName = "permessage-deflate"

// The parameters of permessage-deflate (RFC 7692, 7.1).
const (
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverMaxWindow  = "server_max_window_bits"
	clientMaxWindow  = "client_max_window_bits"
)

// deflateParams are the parameters of permessage-deflate in an offer or an answer. Bits that
// are not named are 0.
type deflateParams struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int
	clientBitsAny                      bool // client_max_window_bits without a value
}

// parseDeflate reads the parameters of e. ok is false if one of them is unknown, occurs twice
// or has a value that it must not have (RFC 7692, 7.1).
func parseDeflate(e extension) (d deflateParams, ok bool) {
	seen := make(map[string]bool, len(e.params))
	for _, p := range e.params {
		if seen[p.name] {
			return d, false
		}
		seen[p.name] = true
		switch p.name {
		case serverNoTakeover:
			d.serverNoTakeover, ok = true, !p.valued
		case clientNoTakeover:
			d.clientNoTakeover, ok = true, !p.valued
		case serverMaxWindow:
			d.serverBits, ok = windowBits(p.value)
		case clientMaxWindow:
			if d.clientBitsAny, ok = !p.valued, true; p.valued {
				d.clientBits, ok = windowBits(p.value)
			}
		default:
			return d, false
		}
		if !ok {
			return d, false
		}
	}
	return d, true
}

// windowBits parses a decimal number from 8 to 15 without leading zeros.
func windowBits(s string) (n int, ok bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= minWindowBits && n <= maxWindowBits && strconv.Itoa(n) == s
}

// extension returns d as it is written in a header.
func (d deflateParams) extension() extension {
	e := extension{name: deflateName}
	flag := func(name string, set bool) {
		if set {
			e.params = append(e.params, param{name: name})
		}
	}
	bits := func(name string, n int) {
		if n != 0 {
			e.params = append(e.params, param{name, strconv.Itoa(n), true})
		}
	}
	flag(serverNoTakeover, d.serverNoTakeover)
	flag(clientNoTakeover, d.clientNoTakeover)
	bits(serverMaxWindow, d.serverBits)
	bits(clientMaxWindow, d.clientBits)
	flag(clientMaxWindow, d.clientBitsAny)
	return e
}

const (
	minWindowBits    = 8
	maxWindowBits    = 15
	defaultThreshold = 256
	defaultLevel     = 5
)
