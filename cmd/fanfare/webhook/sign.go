package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of requests.
const (
	idHeader        = "Webhook-Id"
	timeHeader      = "Webhook-Timestamp"
	SignatureHeader = "Webhook-Signature"
)

// secretPrefix begins the form of secrets that Standard Webhooks has.
const secretPrefix = "whsec_"

// minSecret is the length of the shortest key, in bytes.
const minSecret = 24

// ParseSecret returns the key of a secret: "whsec_" and the key in base64, or any other word, whose bytes are the key. Its
// errors do not show the secret.
func ParseSecret(word string) ([]byte, error) {
	key := []byte(word)
	if text, ok := strings.CutPrefix(word, secretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, errors.New("after " + secretPrefix + " the secret is not base64; it must be, with padding")
		}
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes; it must have at least %d", len(key), minSecret)
	}
	return key, nil
}

// sign returns the value of SignatureHeader.
func sign(keys [][]byte, id, at string, body []byte) string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = "v1," + base64.StdEncoding.EncodeToString(mac(key, id, at, body))
	}
	return strings.Join(all, " ")
}

func mac(key []byte, id, at string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, id+"."+at+".")
	h.Write(body)
	return h.Sum(nil)
}

// Verify checks a request with that header and body, which may be older or newer than now by at most tolerance. A receiver
// that also remembers each Webhook-Id for that long takes no request twice.
func Verify(key []byte, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	id, at := h.Get(idHeader), h.Get(timeHeader)
	seconds, err := strconv.ParseInt(at, 10, 64)
	if id == "" || err != nil {
		return errors.New("the request needs the headers " + idHeader + " and " + timeHeader + ", the latter in seconds")
	}
	matches := false
	for one := range strings.FieldsSeq(h.Get(SignatureHeader)) {
		text, is := strings.CutPrefix(one, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)
		matches = matches || is && err == nil && hmac.Equal(got, mac(key, id, at, body))
	}
	if !matches {
		return errors.New("the signature does not match")
	}
	if off := now.Sub(time.Unix(seconds, 0)).Abs(); off > tolerance {
		return fmt.Errorf("the signature is %v off; it may be %v", off, tolerance)
	}
	return nil
}
