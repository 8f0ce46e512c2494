package policy

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/secretfile"
)

// KeyOptions describe an API key.
type KeyOptions struct {
	Name string // for logs and metrics
	File string // contains the key, in one word of at least 16 bytes
	// Secret is the key itself. It has no effect if there is a file.
	Secret string
	Grants
}

// The limits of keys.
const (
	minKey  = 16
	maxKey  = 4096
	maxKeys = 1024
)

// keyring has the digests of the keys. Looking one up takes the same time whichever it is, and whether it is there.
type keyring struct {
	salt [sha256.Size]byte
	keys []apiKey
}

type apiKey struct {
	name   string
	digest [sha256.Size]byte
	rights *Rights
}

// newSalt returns what makes digests useless to others.
func newSalt() (salt [sha256.Size]byte) {
	_, _ = rand.Read(salt[:]) // never fails
	return salt
}

// mark returns the hash by which connections with the key are found.
func (k *apiKey) mark() uint64 { return binary.LittleEndian.Uint64(k.digest[:]) }

func (k *keyring) digest(secret string) [sha256.Size]byte {
	h := sha256.New()
	h.Write(k.salt[:])
	h.Write([]byte(secret))
	return [sha256.Size]byte(h.Sum(nil))
}

// find returns the key, or nil.
func (k *keyring) find(secret string) *apiKey {
	if len(k.keys) == 0 || len(secret) > maxKey {
		return nil
	}
	digest := k.digest(secret)
	found := -1
	for i := range k.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(k.keys[i].digest[:], digest[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return &k.keys[found]
}

// has reports whether a key is in the ring as it was when an identity was made of it.
func (k *keyring) has(mark uint64, r *Rights) bool {
	return slices.ContainsFunc(k.keys, func(key apiKey) bool { return key.mark() == mark && key.rights == r })
}

// add adds a key that a file contains, or reports what is wrong with it.
func (k *keyring) add(name, secret string, r *Rights) error {
	digest := k.digest(secret)
	for i := range k.keys {
		if k.keys[i].digest == digest {
			return fmt.Errorf("the key is the same as that of %q; each name needs a key of its own", k.keys[i].name)
		}
	}
	k.keys = append(k.keys, apiKey{name, digest, r})
	return nil
}

// load adds the keys of the options to the ring, and returns what is wrong with them.
func (k *keyring) load(o *Options) (all []error) {
	if o.TokenFile != "" {
		secret, err := readKey(o.TokenFile, 1)
		if err == nil {
			all, _ := rights.Compile(rights.Everything())
			err = k.add(tokenName, secret, all)
		}
		all = appendError(all, "token-file", err)
	}
	if n := len(o.Keys); n > maxKeys {
		return appendError(all, "keys", fmt.Errorf("there are %d keys; at most %d are allowed", n, maxKeys))
	}
	names := map[string]bool{tokenName: true}
	for i, options := range o.Keys {
		all = append(all, k.loadOne(fmt.Sprintf("keys[%d]", i), options, names)...)
	}
	return all
}

// tokenName is the name of the key in Options.TokenFile.
const tokenName = "token"

func (k *keyring) loadOne(field string, o KeyOptions, names map[string]bool) (all []error) {
	switch {
	case o.Name == "":
		all = appendError(all, field+".name", errors.New("the name is empty; a key needs one, such as backend"))
	case names[o.Name]:
		all = appendError(all, field+".name", fmt.Errorf("%.100q is taken; each key needs a name of its own", o.Name))
	}
	names[o.Name] = true
	r, err := compile(field, o.Grants, rights.Compile)
	all = append(all, err...)
	secret, at, readErr := o.secret()
	if readErr == nil {
		readErr = k.add(o.Name, secret, r)
	}
	return appendError(all, field+at, readErr)
}

// secret returns the key, and the field that has it.
func (o *KeyOptions) secret() (secret, field string, err error) {
	if o.File == "" && o.Secret != "" {
		return strings.TrimSpace(o.Secret), ".secret", checkKey("secret", []byte(o.Secret), minKey)
	}
	secret, err = readKey(o.File, minKey)
	return secret, ".file", err
}

// readKey returns the only word of a file.
func readKey(file string, least int) (string, error) {
	word, err := secretfile.Word(file)
	if err != nil {
		return "", err
	}
	return word, checkKey(file, []byte(word), least)
}

// checkKey reports what is wrong with a key, without showing it.
func checkKey(where string, text []byte, least int) error {
	words := bytes.Fields(text)
	switch {
	case len(words) != 1:
		return fmt.Errorf("%s contains %d words; it must contain one, the key", where, len(words))
	case len(words[0]) < least || len(words[0]) > maxKey:
		return fmt.Errorf("the key in %s has %d bytes; it must have %d to %d, such as the output of: openssl rand -base64 24", where, len(words[0]), least, maxKey)
	}
	return nil
}
