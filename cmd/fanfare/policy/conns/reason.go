package conns

// Target is a connection.
type Target interface {
	// End begins to close the connection. It does not wait, and may be called several times.
	End(Reason)
}

// Reason is why a connection ends.
type Reason uint8

// The reasons.
const (
	Expired   Reason = iota + 1 // the token is no longer valid
	Revoked                     // the token was revoked
	Withdrawn                   // the right was withdrawn
	KeyGone                     // the key is not in force any more, or not with the same rights
)

// Code returns the close code.
func (r Reason) Code() int {
	if r == Withdrawn {
		return 4403
	}
	return 4401
}

// Text returns the text of the close frame.
func (r Reason) Text() string {
	switch r {
	case Expired:
		return "the token has expired"
	case Revoked:
		return "the token was revoked"
	case KeyGone:
		return "the key was replaced or removed, or has other rights now"
	}
	return "the right was withdrawn"
}
