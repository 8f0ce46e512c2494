package natsbroker

import (
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// subjects are the subjects of one cluster. What is published to in.… is stored, and published
// again by NATS, with its sequence number, as out.….
type subjects struct {
	stored   string // all that the stream stores
	copied   string // the same, published again
	inTopic  string // begins the subject of a topic
	outTopic string
	inProbe  string // begins the subject of a node's probes
	outProbe string
	inEpoch  string
	outEpoch string
	inClock  string
	outClock string
	inNode   string // begins the subject of a node's record
	outNode  string
	peer     string // begins the subject of a node's notes to all
	to       string // begins the subject of notes to a node
	toSelf   string // the same, to this node
	ask      string // begins the subject of a node's questions
}

func subjectsOf(prefix string, self uint64) subjects {
	in, out := prefix+".in.", prefix+".out."
	return subjects{
		stored: in + ">", copied: out + ">",
		inTopic: in + "t.", outTopic: out + "t.",
		inProbe: in + "p.", outProbe: out + "p.",
		inEpoch: in + "e", outEpoch: out + "e",
		inClock: in + "c", outClock: out + "c",
		inNode: in + "n.", outNode: out + "n.",
		peer: prefix + ".peer.", ask: prefix + ".ask.",
		to: prefix + ".to.", toSelf: prefix + ".to." + nodeName(self) + ".",
	}
}

// peerSubject says how another node has sent something without the stream.
type peerSubject uint8

const (
	notPeer peerSubject = iota // it has not
	toAll
	toOne
	toAsk
)

// peerSubject returns how a message was sent to this node.
func (s *subjects) peerSubject(subject string) peerSubject {
	switch {
	case strings.HasPrefix(subject, s.peer):
		return toAll
	case strings.HasPrefix(subject, s.ask):
		return toAsk
	case strings.HasPrefix(subject, s.toSelf):
		return toOne
	}
	return notPeer
}

// hex has the digits of escaped bytes.
const hex = "0123456789ABCDEF"

// escape returns a name as the tokens of a NATS subject. It writes % and two digits for each byte
// that a subject must not have: spaces and control characters, the wildcards, the dots beside
// which a token would be empty, and % itself. An empty name becomes %.
func escape(name string) string {
	if name == "" {
		return "%"
	}
	first := 0
	for first < len(name) && !mustEscape(name, first) {
		first++
	}
	if first == len(name) {
		return name
	}
	b := append(make([]byte, 0, len(name)+16), name[:first]...)
	for i := first; i < len(name); i++ {
		if c := name[i]; mustEscape(name, i) {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// mustEscape reports whether name[i] cannot be part of a subject as it is.
func mustEscape(name string, i int) bool {
	switch c := name[i]; c {
	case '.':
		return i == 0 || i == len(name)-1 || name[i-1] == '.'
	case '%', '*', '>', 0x7f:
		return true
	default:
		return c <= ' '
	}
}

// unescape is the opposite of escape.
func unescape(subject string) string {
	if strings.IndexByte(subject, '%') < 0 {
		return subject
	}
	b := make([]byte, 0, len(subject))
	for i := 0; i < len(subject); i++ {
		c := subject[i]
		if c == '%' && i+2 < len(subject) {
			c = digit(subject[i+1])<<4 | digit(subject[i+2])
			i += 2
		} else if c == '%' {
			continue
		}
		b = append(b, c)
	}
	return string(b)
}

func digit(c byte) byte { return byte(max(strings.IndexByte(hex, c), 0)) }

// escapePattern is escape for a topic or a pattern: the wildcards remain what they are.
func escapePattern(subject string) string {
	if !hub.IsPattern(subject) {
		return escape(subject)
	}
	tokens := strings.Split(subject, ".")
	for i, t := range tokens {
		if t != "*" && (t != ">" || i < len(tokens)-1) {
			tokens[i] = escape(t)
		}
	}
	return strings.Join(tokens, ".")
}
