package hub

// Kind says what the bytes of a [Message] are. Encodings use it; the hub does not.
type Kind uint8

const (
	Text   Kind = iota // UTF-8
	Binary             // any bytes
	JSON               // valid JSON, which is text as well
)
