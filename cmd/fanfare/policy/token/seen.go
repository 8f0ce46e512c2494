package token

import (
	"crypto/sha256"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// epoch is the time for which a set of keys is in force. It remembers the tokens whose signature has been checked, because a
// signature costs up to ten times as much as all the rest (with HMAC as much), and after a failure of the network all clients
// come back with the tokens that they had. It remembers nothing but a hash of the whole token: claims, times and revocations are checked each time.
// Only tokens with a valid signature are remembered, so nobody else can fill it.
type epoch struct {
	set *keySet // of JWKSURL; nil if there is none, or none yet

	mu       sync.Mutex // a leaf
	new, old map[[sha256.Size]byte]struct{}
}

// maxSeen is the largest number of tokens in each of the two maps. If the new one is full, it becomes the old one, whose
// tokens are forgotten unless they have been seen again. Both together take about 5 MiB.
const maxSeen = 1 << 15

func newEpoch(set *keySet) *epoch { return &epoch{set: set} }

// recall returns the claims of a token whose signature has been checked, or nil.
func (e *epoch) recall(p *jwt.Parser, token string) []byte {
	if e.isEmpty() {
		return nil
	}
	if hash := sha256.Sum256([]byte(token)); !e.has(hash) {
		return nil
	}
	_, rest, _ := strings.Cut(token, ".")
	claims, _, _ := strings.Cut(rest, ".")
	payload, err := p.DecodeSegment(claims)
	if err != nil {
		return nil
	}
	return payload
}

func (e *epoch) isEmpty() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.new) == 0 && len(e.old) == 0
}

func (e *epoch) has(hash [sha256.Size]byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.new[hash]; ok {
		return true
	}
	_, ok := e.old[hash]
	if ok {
		e.put(hash)
	}
	return ok
}

// remember notes that the signature of a token is valid.
func (e *epoch) remember(token string) {
	hash := sha256.Sum256([]byte(token))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(hash)
}

func (e *epoch) put(hash [sha256.Size]byte) {
	if len(e.new) >= maxSeen {
		e.old, e.new = e.new, nil
	}
	if e.new == nil {
		e.new = make(map[[sha256.Size]byte]struct{})
	}
	e.new[hash] = struct{}{}
}
