package wsproto

// Code is the status code of a close frame (RFC 6455, 7.4).
type Code uint16

// The codes that IANA lists. 1005, 1006 and 1015 never appear in a frame: an endpoint reports
// them to its own program.
const (
	NormalClosure       Code = 1000
	GoingAway           Code = 1001
	ProtocolError       Code = 1002
	UnsupportedData     Code = 1003
	NoStatusReceived    Code = 1005
	AbnormalClosure     Code = 1006
	InvalidFramePayload Code = 1007
	PolicyViolation     Code = 1008
	MessageTooBig       Code = 1009
	MandatoryExtension  Code = 1010
	InternalError       Code = 1011
	ServiceRestart      Code = 1012
	TryAgainLater       Code = 1013
	BadGateway          Code = 1014
	TLSHandshake        Code = 1015
)

// Valid reports whether the code may appear in a close frame: the codes that IANA lists for
// that, and 3000-4999 for libraries and applications (RFC 6455, 7.4.2).
func (c Code) Valid() bool {
	switch {
	case c >= 3000 && c <= 4999:
		return true
	case c >= NormalClosure && c <= UnsupportedData, c >= InvalidFramePayload && c <= BadGateway:
		return true
	}
	return false
}
