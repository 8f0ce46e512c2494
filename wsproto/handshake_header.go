package wsproto

import (
	"bytes"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
)

// field is one line of the header. Both slices point into the header.
type field struct {
	name, value []byte
}

func (f field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(string(f.name), name)
}

// maxFields bounds the fields of a request. A browser sends about 20, and a proxy adds about as many; most proxies pass on
// no more than 100. Without a bound the fields of a header would take many times its bytes.
const maxFields = 128

var errTooManyFields = Refuse(http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header has more than %d fields", maxFields))

// Header is the header of a request: its fields, in the order in which they were sent. It
// is valid as long as its [Request]. The methods are those of http.Header, without the
// cost of a map for each handshake.
type Header struct{ fields []field }

// Get returns the value of the first field of that name, or "". Names are compared
// without regard to case.
func (h Header) Get(name string) string {
	for v := range h.values(name) {
		return string(v)
	}
	return ""
}

// Values returns the values of all fields of that name, in their order.
func (h Header) Values(name string) []string {
	var all []string
	for v := range h.values(name) {
		all = append(all, string(v))
	}
	return all
}

// Clone returns a copy as an http.Header, which remains valid.
func (h Header) Clone() http.Header {
	c := make(http.Header, len(h.fields))
	for _, f := range h.fields {
		c.Add(string(f.name), string(f.value))
	}
	return c
}

// values yields the values of all fields of that name, in their order.
func (h Header) values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, f := range h.fields {
			if f.is(name) && !yield(f.value) {
				return
			}
		}
	}
}

// has reports whether there is a field of that name, even an empty one.
func (h Header) has(name string) bool {
	return slices.ContainsFunc(h.fields, func(f field) bool { return f.is(name) })
}

// lists reports whether a field of that name is a list with token in it.
func (h Header) lists(name, token string) bool {
	for v := range h.values(name) {
		if hasToken(string(v), token) {
			return true
		}
	}
	return false
}

func (h *Header) add(name string, values ...string) {
	for _, v := range values {
		h.fields = append(h.fields, field{[]byte(name), []byte(v)})
	}
}

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")
)

func cutLine(p []byte) (line, rest []byte, fault *Refusal) {
	line, rest, _ = bytes.Cut(p, crlf[1:])
	if line, ok := bytes.CutSuffix(line, crlf[:1]); ok {
		return line, rest, nil
	}
	return line, rest, Refuse(http.StatusBadRequest, "a header line ends with a bare line feed (RFC 9112, 2.2)")
}

func parseField(line []byte) (f field, fault *Refusal) {
	if line[0] == ' ' || line[0] == '\t' {
		return f, errFolded
	}
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || !isToken(name) {
		return f, Refuse(http.StatusBadRequest, fmt.Sprintf("the header line %.60q has no valid name before a colon (RFC 9112, 5.1)", line))
	}
	if slices.ContainsFunc(value, isControl) {
		return f, Refuse(http.StatusBadRequest, fmt.Sprintf("the header field %s contains a control character (RFC 9110, 5.5)", name))
	}
	return field{name, bytes.Trim(value, " \t")}, nil
}

var errFolded = Refuse(http.StatusBadRequest, "a header field is folded over two lines (forbidden by RFC 9112, 5.2)")

// isFolded reports whether a line of head continues the one before.
func isFolded(head []byte) bool {
	return bytes.Contains(head, []byte("\n ")) || bytes.Contains(head, []byte("\n\t"))
}

func isControl(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }

func hasToken(list, token string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(t), token) {
			return true
		}
	}
	return false
}

// isToken reports whether p is a token (RFC 9110, 5.6.2).
func isToken(p []byte) bool {
	for _, b := range p {
		if !tokenBytes[b] {
			return false
		}
	}
	return len(p) > 0
}

var tokenBytes = func() (ok [256]bool) {
	for b := range ok {
		switch b := byte(b); {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
			ok[b] = true
		}
	}
	return ok
}()

var headerEnd = []byte("\r\n\r\n")

// headEnd returns the length of the header that p begins with, including its empty line,
// or 0 if the header is incomplete. A bare line feed counts as the end of a line, as in
// net/http; Request.parse decides whether it is allowed there.
func headEnd(p []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch {
		case bytes.HasPrefix(p[i:], crlf):
			return i + len(crlf)
		case bytes.HasPrefix(p[i:], crlf[1:]):
			return i + 1
		}
	}
}
