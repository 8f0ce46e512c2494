package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// epoch is the time for which a set of keys is in force. It remembers the tokens whose signature has been checked, because a
// signature costs up to ten times as much as all the rest (with HMAC twice as much), and after a failure of the network all clients
// come back with the tokens that they had. It remembers nothing but a hash of the whole token: claims, times and revocations are checked each time.
// Only tokens with a valid signature are remembered, so nobody else can fill it.
type epoch struct {
	set  *keySet // of JWKSURL; nil if there is none, or none yet
	salt [16]byte

	mu   sync.Mutex // a leaf
	seen [seenParts]generations
}

// maxSeen is the largest number of tokens in each of the two generations. Both together take about 1.3 MiB.
const (
	maxSeen   = 1 << 15
	seenParts = 64
)

func newEpoch(set *keySet) *epoch {
	e := &epoch{set: set}
	_, _ = rand.Read(e.salt[:]) // it never fails
	return e
}

// recall returns the claims of a token whose signature has been checked, or nil.
func (e *epoch) recall(p *jwt.Parser, token string) []byte {
	if !e.has(e.hash(token)) {
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

// remember notes that the signature of a token is valid.
func (e *epoch) remember(token string) { e.put(e.hash(token)) }

// hash is 128 bits of SHA-256, with a secret salt: nobody can look for another token with the hash of a valid one.
func (e *epoch) hash(token string) tokenHash {
	b := append(append(make([]byte, 0, 1024), e.salt[:]...), token...)
	sum := sha256.Sum256(b)
	return tokenHash(sum[:len(tokenHash{})])
}

func (e *epoch) has(h tokenHash) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[h[0]%seenParts].has(h)
}

func (e *epoch) put(h tokenHash) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[h[0]%seenParts].put(h)
}

type tokenHash [16]byte

// generations are two sets of tokens. If the new one is full, it becomes the old one, whose tokens are forgotten unless they
// have been seen again.
type generations struct{ new, old hashSet }

func (g *generations) has(h tokenHash) bool {
	if g.new.has(h) {
		return true
	}
	again := g.old.has(h)
	if again {
		g.put(h)
	}
	return again
}

func (g *generations) put(h tokenHash) {
	if g.new.n >= maxSeen/seenParts {
		g.old, g.new = g.new, hashSet{}
	}
	g.new.put(h)
}

// hashSet is a table with linear probing, which takes about 20 bytes for each hash, where a map takes 50.
type hashSet struct {
	n      int
	hashes []tokenHash // none in a free place
}

// place returns the place of a hash, or the free one where it belongs.
func (s *hashSet) place(h tokenHash) int {
	i := int(binary.LittleEndian.Uint64(h[1:]) % uint64(len(s.hashes)))
	for s.hashes[i] != h && s.hashes[i] != (tokenHash{}) {
		if i++; i == len(s.hashes) {
			i = 0
		}
	}
	return i
}

func (s *hashSet) has(h tokenHash) bool { return s.n > 0 && s.hashes[s.place(h)] == h }

func (s *hashSet) put(h tokenHash) {
	if s.n >= len(s.hashes)*7/8 {
		old := s.hashes
		s.hashes = make([]tokenHash, len(old)*5/4+8)
		for _, h := range old {
			if h != (tokenHash{}) {
				s.hashes[s.place(h)] = h
			}
		}
	}
	if i := s.place(h); s.hashes[i] != h {
		s.hashes[i] = h
		s.n++
	}
}
