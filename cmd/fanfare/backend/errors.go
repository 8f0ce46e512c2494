package backend

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Errors of a call. An error that is ErrBusy or ErrDown is an [*Error], with the time after which to try again.
var (
	ErrBusy   = errors.New("too many requests to the backend are waiting")
	ErrDown   = errors.New("the backend is not available")
	ErrClosed = errors.New("the backend client is closed")
	ErrNoHook = errors.New("the hook is not configured")
)

// Error is the error of a call that nobody has decided. Callers should answer 503 with Retry-After.
type Error struct {
	Hook  Hook
	Retry time.Duration // try again after that
	err   error
}

// Error returns a text without the backend's URL and without secrets.
func (e *Error) Error() string { return fmt.Sprintf("%s hook: %v", e.Hook, e.err) }

// Unwrap returns ErrBusy or ErrDown.
func (e *Error) Unwrap() error { return e.err }

// retryBusy is the time after which there is probably room in the queue again.
const retryBusy = time.Second

// defaultCode is the code of a refusal that gives none.
const defaultCode = http.StatusForbidden

// Refusal is the error of a call that the backend has refused.
type Refusal struct {
	Code   int           // a status from 400 to 499 or a close code from 4000 to 4999
	Reason string        // at most 123 bytes
	Retry  time.Duration // 0 if the backend does not say
}

// Error returns the reason.
func (r *Refusal) Error() string {
	if r.Reason == "" {
		return "refused by the backend"
	}
	return r.Reason
}

// failure is the error of a request to the backend.
type failure struct {
	kind  failureKind
	text  string
	retry time.Duration // that the backend asks for; 0 if it does not say
}

func (f *failure) Error() string { return f.text }

type failureKind uint8

const (
	timedOut failureKind = iota
	unreachable
	badStatus
	badAnswer
	failureKinds
)
