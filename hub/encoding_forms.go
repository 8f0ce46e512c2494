package hub

import (
	"math"
	"sync"
	"sync/atomic"
)

// Encoded is a message, an event, or several in a row, as made by an [Encoding]. It does not
// change, and any number of subscribers share it. A [Subscriber] knows the types that its
// encodings return.
type Encoded any

// encodingID identifies an encoding in its hub; 0 means none.
type encodingID uint8

// maxEncodings is the number of IDs.
const maxEncodings = math.MaxUint8

// form is a record or a batch in one encoding.
type form struct {
	id       encodingID
	messages int     // in encoded
	encoded  Encoded // nil if the encoding has no form for any of it
	next     *form
}

// forms are the forms that a record or a batch has so far: a short list, since few encodings are
// in use.
type forms struct {
	mu    sync.Mutex // held while a form is made, so that it is made once
	first atomic.Pointer[form]
}

// get returns the form in an encoding, nil if there is none yet.
func (fs *forms) get(id encodingID) *form {
	for f := fs.first.Load(); f != nil; f = f.next {
		if f.id == id {
			return f
		}
	}
	return nil
}

// addLocked adds a form. The caller holds mu.
func (fs *forms) addLocked(f form) *form {
	f.next = fs.first.Load()
	fs.first.Store(&f)
	return &f
}
