package token

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// maxSet is the largest number of keys of a set.
const maxSet = 256

// keySet has the keys of a JSON Web Key Set. It does not change.
type keySet struct {
	jwkset.Storage // for keyfunc, which only reads
	byID           map[string]jwkset.JWK
	find           keyfunc.Keyfunc
	n              int
	digest         [sha256.Size]byte // of its JSON
}

// parseSet returns the keys of a set that are of use here. Secrets count only if they come from a file.
func parseSet(b []byte, secrets bool) (*keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, errors.New("the JSON Web Key Set is not valid JSON, or has no list of keys")
	}
	if len(raw.Keys) > maxSet {
		return nil, fmt.Errorf("the JSON Web Key Set has %d keys; at most %d are allowed", len(raw.Keys), maxSet)
	}
	s := &keySet{byID: make(map[string]jwkset.JWK), digest: sha256.Sum256(b)}
	var usable []jwkset.JWK
	for _, r := range raw.Keys {
		if key, err := jwkset.NewJWKFromRawJSON(r, jwkset.JWKMarshalOptions{Private: secrets}, jwkset.JWKValidateOptions{}); err == nil && isUsable(key) {
			usable = append(usable, key)
		}
	}
	return s, s.fill(usable, len(raw.Keys))
}

func (s *keySet) fill(usable []jwkset.JWK, of int) (err error) {
	if len(usable) == 0 {
		return fmt.Errorf("none of the %d keys of the JSON Web Key Set is one for signatures of RSA (%d bits or more), ECDSA or Ed25519", of, minRSA)
	}
	s.Storage, s.n = jwkset.NewMemoryStorage(), len(usable)
	if err := s.KeyReplaceAll(context.Background(), usable); err != nil {
		return err
	}
	for _, key := range usable {
		if id := key.Marshal().KID; id != "" {
			s.byID[id] = key
		}
	}
	s.find, err = keyfunc.New(keyfunc.Options{Storage: s})
	return err
}

// isUsable reports whether there is an algorithm for the key, and it is for signatures.
func isUsable(key jwkset.JWK) bool {
	use := key.Marshal().USE
	return (use == "" || use == jwkset.UseSig) && len(fitting(publicOf(key))) > 0
}

func publicOf(key jwkset.JWK) any {
	if private, ok := key.Key().(interface{ Public() crypto.PublicKey }); ok {
		return private.Public()
	}
	return key.Key()
}

// KeyRead returns the key of that name.
func (s *keySet) KeyRead(_ context.Context, id string) (jwkset.JWK, error) {
	if key, ok := s.byID[id]; ok {
		return key, nil
	}
	return jwkset.JWK{}, jwkset.ErrKeyNotFound
}

// errNotInSet is returned if the set does not have the key.
var errNotInSet = errors.New("not in the set")

// lookup returns the keys that the token may have been signed with: the one that it names, or those for its algorithm if it
// names none.
func (s *keySet) lookup(t *jwt.Token) ([]any, error) {
	if s == nil {
		return nil, errNotInSet
	}
	found, err := s.find.Keyfunc(t)
	switch {
	case errors.Is(err, jwkset.ErrKeyNotFound):
		return nil, errNotInSet
	case err != nil: // the set says that the key is for another algorithm
		return nil, errorf(WrongAlgorithm, "the token's algorithm is not that of its key")
	}
	all := []any{found}
	if several, ok := found.(jwt.VerificationKeySet); ok {
		all = all[:0]
		for _, key := range several.Keys {
			all = append(all, key)
		}
	}
	return all, nil
}
