package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
)

const (
	// MinPassword and MaxPassword bound a password, in characters.
	MinPassword = 8
	MaxPassword = 256

	saltBytes = 16
	hashBytes = 32
)

// Cost is the cost of a hash: the parameters of argon2id (RFC 9106).
type Cost struct {
	Memory  uint32 // in KiB
	Passes  uint32
	Threads uint8
}

// DefaultCost is the cost that OWASP recommends for argon2id.
var DefaultCost = Cost{Memory: 19 << 10, Passes: 2, Threads: 1}

// hasher computes hashes, a few at a time, in turns of the requesting addresses. Its methods may be
// called from any goroutine.
type hasher struct {
	cost  Cost
	gate  *fair.Semaphore[netip.Addr]
	dummy string // compared with the password when the name is unknown
}

const (
	maxWaitingHashesPerAddr = 32
	maxWaitingHashes        = 1024
)

func newHasher(cost Cost, concurrent int) (*hasher, error) {
	h := &hasher{cost: cost, gate: fair.NewSemaphore[netip.Addr](concurrent, max(1, concurrent-1), maxWaitingHashesPerAddr, maxWaitingHashes)}
	var err error
	h.dummy, err = h.hash(context.Background(), netip.Addr{}, rand.Text())
	return h, err
}

// preparePassword returns a new password in the form in which it is hashed (RFC 8265, OpaqueString).
// The text of the error is meant for the user.
func preparePassword(s string) (string, error) {
	if s == "" {
		return "", errors.New("the password is empty")
	}
	prepared, err := precis.OpaqueString.String(s)
	if err != nil || !utf8.ValidString(s) {
		return "", errors.New("the password contains a character that cannot be typed in the same way everywhere, such as a control character")
	}
	switch n := utf8.RuneCountInString(prepared); {
	case n < MinPassword:
		return "", fmt.Errorf("the password is too short: it has %d characters, and must have at least %d", n, MinPassword)
	case n > MaxPassword:
		return "", fmt.Errorf("the password is too long: it has %d characters, and may have at most %d", n, MaxPassword)
	}
	return prepared, nil
}

// formsOf returns the forms in which a password may have been hashed: prepared, and, for accounts of
// earlier versions, as it was typed.
func formsOf(s string) []string {
	prepared, err := precis.OpaqueString.String(s)
	if err != nil || prepared == s {
		return []string{s}
	}
	return []string{prepared, s}
}

// hash returns $argon2id$v=19$m=MEMORY,t=PASSES,p=THREADS$SALT$HASH.
func (h *hasher) hash(ctx context.Context, from netip.Addr, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // which never fails
	sum, err := h.compute(ctx, from, h.cost, password, salt)
	if err != nil {
		return "", err
	}
	e := base64.RawStdEncoding
	return fmt.Sprintf(phcForm, argon2.Version, h.cost.Memory, h.cost.Passes, h.cost.Threads) + "$" + e.EncodeToString(salt) + "$" + e.EncodeToString(sum), nil
}

const phcForm = "$argon2id$v=%d$m=%d,t=%d,p=%d"

// matches reports whether a hash is that of a form of a password. For an unknown user, whose hash is
// "", it does the same work and returns false.
func (h *hasher) matches(ctx context.Context, from netip.Addr, hash, form string) (bool, error) {
	none := hash == ""
	if none {
		hash = h.dummy
	}
	cost, salt, sum, err := parseHash(hash)
	if err != nil {
		return false, err
	}
	got, err := h.compute(ctx, from, cost, form, salt)
	return err == nil && subtle.ConstantTimeCompare(got, sum) == 1 && !none, err
}

// matches reports whether a hash is that of the password, in one of its forms. The caller has counted
// an attempt for the first form. Another form takes the same work, and counts as another attempt.
func (a *Accounts) matches(ctx context.Context, p pair, own *[32]byte, hash, password string) (ok bool, err error) {
	for i, form := range formsOf(password) {
		if i > 0 {
			err = a.attempts.logIn(ctx, p, own, a.opts.Now())
		}
		if err == nil {
			ok, err = a.hasher.matches(ctx, p.addr, hash, form)
		}
		if ok || err != nil {
			break
		}
	}
	return ok, err
}

func (h *hasher) compute(ctx context.Context, from netip.Addr, c Cost, password string, salt []byte) ([]byte, error) {
	release, err := h.gate.Acquire(ctx, from)
	if errors.Is(err, fair.ErrOwnerLimit) || errors.Is(err, fair.ErrTotalLimit) {
		err = &TooManyError{hashRetryAfter}
	}
	if err != nil {
		return nil, err
	}
	defer release()
	return argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, hashBytes), nil
}

// hashRetryAfter is the Retry-After of requests that cannot even wait. The waiting requests take
// about as long.
const hashRetryAfter = 2 * time.Second

var errHash = errors.New("account: the stored hash is not a valid argon2id hash")

// maxMemory bounds the memory parameter of a stored hash, in KiB.
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
