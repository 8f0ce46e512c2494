package main

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// handshake is the request of a case, if that is not the ordinary one.
type handshake struct {
	// text is the request, with {host} and {path} as placeholders.
	text string
	// status is the expected status; 101 if 0.
	status int
	// fields must be in the response ("Name: value") or must not ("-Name").
	fields []string
	// early sends the first turn of the script in the same write as the request.
	early bool
}

// sampleKey is the example of RFC 6455, section 1.3, with its answer.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// request returns the request of an ordinary handshake with changes: "Name: value" replaces the line of that name or is
// added, "-Name" removes it, "+Name: value" is always added, and a line that begins with a method replaces the first line.
func request(changes ...string) string {
	lines := []string{"GET {path} HTTP/1.1", "Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13"}
	for _, c := range changes {
		lines = change(lines, c)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func change(lines []string, c string) []string {
	if method, _, _ := strings.Cut(c, " "); slices.Contains([]string{"GET", "POST", "HEAD", "get"}, method) {
		return append([]string{c}, lines[1:]...)
	}
	name, _, _ := strings.Cut(strings.TrimLeft(c, "+-"), ":")
	changed, done := lines[:1:1], false
	for _, l := range lines[1:] {
		switch n, _, _ := strings.Cut(l, ":"); {
		case !strings.EqualFold(n, name) || c[0] == '+':
			changed = append(changed, l)
		case c[0] != '-':
			changed, done = append(changed, c), true
		}
	}
	if !done && c[0] != '-' {
		changed = append(changed, strings.TrimPrefix(c, "+"))
	}
	return changed
}

// key returns a Sec-WebSocket-Key line whose key has n bytes.
func key(n int) string {
	return "Sec-WebSocket-Key: " + base64.StdEncoding.EncodeToString([]byte(letters(n)))
}

// handshakes has the cases of group H.
func handshakes(t *table) {
	accepted(t)
	refused(t)
	subprotocols(t)
	origins(t)
}

// accepted has requests that the server must accept although they differ from the ordinary one.
func accepted(t *table) {
	next := t.series("H.1.")
	add := func(what, clause, text string, fields ...string) *Case {
		c := next(what, clause, func(s *script) {
			s.echo(opText, "hello")
			s.bye()
		})
		c.Handshake = handshake{text: text, fields: fields}
		return c
	}
	add("an ordinary request is accepted with the right key", "4.2.2", request(), "Upgrade: websocket", "Connection: Upgrade",
		"Sec-Websocket-Accept: "+sampleAccept, "-Sec-Websocket-Protocol", "-Sec-Websocket-Extensions", "-Content-Length", "-Transfer-Encoding")
	add("frames may arrive in one segment with the request", "4.1", request()).Handshake.early = true
	for _, v := range []struct{ what, clause, line string }{
		{"Connection may be a list", "4.2.1", "Connection: keep-alive, Upgrade"},
		{"Connection may be a list without spaces", "4.2.1", "Connection: keep-alive,upgrade,x"},
		{"Connection may be a list with empty elements", "4.2.1", "Connection: ,, Upgrade ,"},
		{"the token in Connection is case-insensitive", "4.2.1", "Connection: uPGRADE"},
		{"Connection may occur twice", "4.2.1", "+Connection: keep-alive"},
		{"the token in Upgrade is case-insensitive", "4.2.1", "Upgrade: WebSocket"},
		{"Upgrade may be a list", "4.2.1", "Upgrade: h2c, websocket"},
		{"Upgrade may occur twice", "4.2.1", "+Upgrade: h2c"},
		{"names of fields are case-insensitive", "4.2.1", "sec-websocket-KEY: " + sampleKey},
		{"white space around a value is ignored", "RFC 9112, 5", "Sec-WebSocket-Version: \t 13 \t"},
		{"no white space is needed before a value", "RFC 9112, 5", "Sec-WebSocket-Version:13"},
		{"unknown fields do not matter", "4.2.1", "X-Unknown: a, b; c=\"d\""},
		{"a field may be empty", "RFC 9110, 5.5", "X-Empty:"},
		{"a value may have bytes above 127", "RFC 9110, 5.5", "X-Latin: \xe9\xff"},
		{"a Content-Length of 0 is not a body", "4.2.1", "Content-Length: 0"},
		{"an unknown extension is not accepted", "9.1", "Sec-WebSocket-Extensions: x-unknown; a=1, x-other"},
		{"a cookie and a user agent do not matter", "4.2.1", "Cookie: a=b; c=d"},
	} {
		add(v.what, v.clause, request(v.line), "Sec-Websocket-Accept: "+sampleAccept, "-Sec-Websocket-Extensions")
	}
	add("HTTP/1.2 is accepted, because it is later than HTTP/1.1", "4.2.1", request("GET {path} HTTP/1.2"))
	add("the target may be a whole URI", "RFC 9112, 3.2.2", request("GET http://{host}{path} HTTP/1.1"))
	add("a query may follow the path", "4.2.1", request("GET {path}?a=1&b=%20 HTTP/1.1"))
	add("the order of the fields does not matter", "4.1", "GET {path} HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+sampleKey+
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nHost: {host}\r\n\r\n")
}

// refused has requests that the server must refuse, each with its status.
func refused(t *table) {
	next := t.series("H.2.")
	add := func(status int, what, clause, text string, fields ...string) {
		next(what, clause, func(*script) {}).Handshake = handshake{text: text, status: status, fields: fields}
	}
	for _, v := range []string{"0", "8", "7", "12", "14", "99", "13, 8", "013", "+13", "13.0"} {
		add(http.StatusUpgradeRequired, "version "+v+" is refused with a field that names version 13", "4.4", request("Sec-WebSocket-Version: "+v),
			"Sec-Websocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade")
	}
	add(http.StatusMethodNotAllowed, "POST is refused", "4.2.1", request("POST {path} HTTP/1.1"), "Allow: GET")
	add(http.StatusMethodNotAllowed, "HEAD is refused", "4.2.1", request("HEAD {path} HTTP/1.1"), "Allow: GET")
	add(http.StatusMethodNotAllowed, "a method is case-sensitive: get is refused", "RFC 9110, 9.1", request("get {path} HTTP/1.1"), "Allow: GET")
	for _, v := range []string{"1.0", "2.0"} {
		add(http.StatusHTTPVersionNotSupported, "HTTP/"+v+" is refused", "4.2.1", request("GET {path} HTTP/"+v))
	}
	add(http.StatusUpgradeRequired, "a request without any field of a handshake gets 426", "RFC 9110, 15.5.22",
		request("-Upgrade", "-Connection", "-Sec-WebSocket-Key", "-Sec-WebSocket-Version"), "Upgrade: websocket")
	for _, b := range badLines {
		add(http.StatusBadRequest, b.what, b.clause, request(b.lines...))
	}
	add(http.StatusBadRequest, "bare line feeds are refused", "RFC 9112, 2.2", strings.ReplaceAll(request(), "\r\n", "\n"))
	add(http.StatusBadRequest, "a bare line feed at the end of the header is refused", "RFC 9112, 2.2", strings.TrimSuffix(request(), "\r\n")+"\n")
	add(http.StatusBadRequest, "a body is refused", "4.2.1", request("Content-Length: 4")+"body")
	add(http.StatusBadRequest, "a chunked body is refused", "4.2.1", request("Transfer-Encoding: chunked")+"0\r\n\r\n")
	add(http.StatusBadRequest, "bytes that are not HTTP are refused", "RFC 9112, 2.2", "\x16\x03\x01\x02\x00\x01\x00")
	add(http.StatusRequestHeaderFieldsTooLarge, "a header of 64 KiB is refused", "RFC 6585, 5", request("X-Large: "+strings.Repeat("x", 64*kib)))
}

// badLines are faults with the status 400.
var badLines = []struct {
	what, clause string
	lines        []string
}{
	{"a request without Host is refused", "4.2.1", []string{"-Host"}},
	{"Host twice is refused", "RFC 9112, 3.2", []string{"+Host: other.example"}},
	{"a request without Upgrade is refused", "4.2.1", []string{"-Upgrade"}},
	{"an Upgrade to something else is refused", "4.2.1", []string{"Upgrade: h2c"}},
	{"websockets is not websocket", "4.2.1", []string{"Upgrade: websockets"}},
	{"a request without Connection is refused", "4.2.1", []string{"-Connection"}},
	{"Connection without the token is refused", "4.2.1", []string{"Connection: keep-alive"}},
	{"upgraded is not upgrade", "4.2.1", []string{"Connection: keep-alive, upgraded"}},
	{"a request without version is refused", "4.2.1", []string{"-Sec-WebSocket-Version"}},
	{"the version twice is refused", "11.3.5", []string{"+Sec-WebSocket-Version: 13"}},
	{"a request without key is refused", "4.2.1", []string{"-Sec-WebSocket-Key"}},
	{"an empty key is refused", "4.2.1", []string{"Sec-WebSocket-Key:"}},
	{"a key of 15 bytes is refused", "4.2.1", []string{key(15)}},
	{"a key of 17 bytes is refused", "4.2.1", []string{key(17)}},
	{"a key of 18 bytes in 24 characters is refused", "4.2.1", []string{key(18)}},
	{"a key that is not base64 is refused", "4.2.1", []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!"}},
	{"a key without padding is refused", "4.2.1", []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}},
	{"a key in the URL-safe alphabet is refused", "4.2.1", []string{"Sec-WebSocket-Key: __79_Pv6-fj39vX08_Lx8A=="}},
	{"the key twice is refused", "11.3.1", []string{"+Sec-WebSocket-Key: " + sampleKey}},
	{"a folded field is refused", "RFC 9112, 5.2", []string{"X-Folded: a\r\n b"}},
	{"a field that is folded with a tab is refused", "RFC 9112, 5.2", []string{"X-Folded: a\r\n\tb"}},
	{"a bare line feed between two fields is refused", "RFC 9112, 2.2", []string{"X-A: b\nX-B: c"}},
	{"a bare carriage return is refused", "RFC 9112, 2.2", []string{"X-A: b\rc"}},
	{"a NUL in a value is refused", "RFC 9110, 5.5", []string{"X-A: b\x00c"}},
	{"a control character in a value is refused", "RFC 9110, 5.5", []string{"X-A: b\x07c"}},
	{"a space before the colon is refused", "RFC 9112, 5.1", []string{"X-A : b"}},
	{"a line without colon is refused", "RFC 9112, 5", []string{"X-A"}},
	{"a field without name is refused", "RFC 9112, 5", []string{"+: b"}},
	{"a target with a space is refused", "RFC 9112, 3.2", []string{"GET {path} b HTTP/1.1"}},
	{"a request without target is refused", "RFC 9112, 3", []string{"GET  HTTP/1.1"}},
	{"a request without an HTTP version is refused", "RFC 9112, 3", []string{"GET {path}"}},
	{"a protocol other than HTTP is refused", "RFC 9112, 2.3", []string{"GET {path} HTTQ/1.1"}},
	{"a control character in the target is refused", "RFC 9112, 3.2", []string{"GET {path}\x01 HTTP/1.1"}},
	{"two fields Content-Length are refused", "RFC 9112, 6.3", []string{"Content-Length: 0", "+Content-Length: 0"}},
}

// spoken is a server with subprotocols. Only pages of its own host may connect.
var spoken = config{subprotocols: "v1.chat,v2.chat"}

func subprotocols(t *table) {
	next := t.series("H.3.")
	for _, v := range []struct {
		what, want string
		lines      []string
	}{
		{"a subprotocol that both support is chosen", "Sec-Websocket-Protocol: v2.chat", []string{"Sec-WebSocket-Protocol: v2.chat"}},
		{"of two subprotocols the client's first is chosen", "Sec-Websocket-Protocol: v2.chat", []string{"Sec-WebSocket-Protocol: v2.chat, v1.chat"}},
		{"the list of subprotocols may be in two fields", "Sec-Websocket-Protocol: v1.chat", []string{"Sec-WebSocket-Protocol: x", "+Sec-WebSocket-Protocol: v1.chat"}},
		{"a subprotocol is case-sensitive, and the server chooses none that was not offered", "-Sec-Websocket-Protocol", []string{"Sec-WebSocket-Protocol: V1.CHAT"}},
		{"no subprotocol is chosen if none was offered", "-Sec-Websocket-Protocol", nil},
	} {
		c := next(v.what, "4.2.2", func(s *script) {
			s.echo(opText, "hello")
			s.bye()
		})
		c.Handshake = handshake{text: request(v.lines...), fields: []string{v.want}}
		c.Config = spoken
	}
}

func origins(t *table) {
	next := t.series("H.4.")
	for _, v := range []struct {
		what   string
		status int
		lines  []string
	}{
		{"a page of the same host may connect", 0, []string{"Origin: http://{host}"}},
		{"a page of the same host may connect through a proxy with TLS", 0, []string{"Host: Example.com", "Origin: https://example.COM"}},
		{"a page of another host may not connect", http.StatusForbidden, []string{"Origin: http://evil.example"}},
		{"a page of another port may not connect", http.StatusForbidden, []string{"Host: example.com:8080", "Origin: http://example.com"}},
		{"a page with the origin null may not connect", http.StatusForbidden, []string{"Origin: null"}},
		{"an origin that is not a URL may not connect", http.StatusForbidden, []string{"Origin: http://%"}},
	} {
		c := next(v.what, "10.2", func(s *script) {
			s.echo(opText, "hello")
			s.bye()
		})
		c.Handshake = handshake{text: request(v.lines...), status: v.status}
		c.Config = spoken
	}
}
