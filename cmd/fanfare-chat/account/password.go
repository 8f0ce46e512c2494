package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	// MinPassword and MaxPassword bound a password, in bytes.
	MinPassword = 8
	MaxPassword = 256

	saltBytes = 16
	hashBytes = 32
)

// Cost is how dear a hash is (RFC 9106).
type Cost struct {
	Memory  uint32 // in KiB
	Passes  uint32
	Threads uint8
}

// DefaultCost is what OWASP advises for argon2id.
var DefaultCost = Cost{Memory: 19 << 10, Passes: 2, Threads: 1}

// hasher computes hashes, a few at a time. Its methods are safe from any goroutine.
type hasher struct {
	cost  Cost
	slots chan struct{}
	dummy string // what the password of a name is compared with that nobody has
}

func newHasher(cost Cost, atATime int) (*hasher, error) {
	h := &hasher{cost: cost, slots: make(chan struct{}, atATime)}
	var err error
	h.dummy, err = h.hash(context.Background(), rand.Text())
	return h, err
}

// checkPassword says what is wrong with a password that somebody has chosen.
func checkPassword(s string) error {
	switch n := len(s); {
	case n < MinPassword:
		return fmt.Errorf("the password is too short; it has to have at least %d characters", MinPassword)
	case n > MaxPassword:
		return fmt.Errorf("the password has %d bytes; at most %d are allowed", n, MaxPassword)
	}
	return nil
}

// hash returns $argon2id$v=19$m=MEMORY,t=PASSES,p=THREADS$SALT$HASH.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // which never fails
	sum, err := h.compute(ctx, h.cost, password, salt)
	if err != nil {
		return "", err
	}
	e := base64.RawStdEncoding
	return fmt.Sprintf(phcForm, argon2.Version, h.cost.Memory, h.cost.Passes, h.cost.Threads) + "$" + e.EncodeToString(salt) + "$" + e.EncodeToString(sum), nil
}

const phcForm = "$argon2id$v=%d$m=%d,t=%d,p=%d"

// matches reports whether the password is the one that was hashed; "" is the hash of none,
// for which the work is the same.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	none := hash == ""
	if none {
		hash = h.dummy
	}
	cost, salt, sum, err := parseHash(hash)
	if err != nil {
		return false, err
	}
	got, err := h.compute(ctx, cost, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, sum) == 1 && !none, nil
}

func (h *hasher) compute(ctx context.Context, c Cost, password string, salt []byte) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, hashBytes), nil
}

var errHash = errors.New("account: what the store has is no hash of argon2id")

// maxMemory bounds what a hash may ask for, in KiB.
const maxMemory = 1 << 20

func parseHash(s string) (c Cost, salt, sum []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return c, nil, nil, errHash
	}
	var version int
	if _, err := fmt.Sscanf(strings.Join(parts[:4], "$"), phcForm, &version, &c.Memory, &c.Passes, &c.Threads); err != nil {
		return c, nil, nil, fmt.Errorf("%w: %w", errHash, err)
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2); err != nil {
		return c, nil, nil, fmt.Errorf("%w: %w", errHash, err)
	}
	if version != argon2.Version || c.Memory == 0 || c.Memory > maxMemory || c.Passes == 0 || c.Threads == 0 || len(salt) == 0 || len(sum) != hashBytes {
		return c, nil, nil, errHash
	}
	return c, salt, sum, nil
}
