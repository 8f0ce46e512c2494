package wsproto

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// field is one line of the header; both slices point into it.
type field struct {
	name, value []byte
}

func (f field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(string(f.name), name)
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
	if bytes.ContainsFunc(value, isControl) {
		return f, Refuse(http.StatusBadRequest, fmt.Sprintf("the header field %s contains a control character (RFC 9110, 5.5)", name))
	}
	return field{name, bytes.Trim(value, " \t")}, nil
}

var errFolded = Refuse(http.StatusBadRequest, "a header field is folded over two lines, which RFC 9112, 5.2 forbids")

// isFolded reports whether a line of head continues the one before.
func isFolded(head []byte) bool {
	return bytes.Contains(head, []byte("\n ")) || bytes.Contains(head, []byte("\n\t"))
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

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
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return len(p) > 0
}
