package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader is the header of signed requests.
const SignatureHeader = "Fanfare-Signature"

func sign(secret []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	io.WriteString(h, t+".")
	h.Write(body)
	return h.Sum(nil)
}

// Verify checks the value of SignatureHeader for a body. The signature may be older or newer than now by at most
// tolerance.
func Verify(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error {
	t, v1, ok := strings.Cut(header, ",v1=")
	t, timed := strings.CutPrefix(t, "t=")
	at, err := strconv.ParseInt(t, 10, 64)
	got, hexed := hex.DecodeString(v1)
	if !ok || !timed || err != nil || hexed != nil {
		return errors.New("the signature must have the form t=SECONDS,v1=HEX")
	}
	if !hmac.Equal(got, mac(secret, t, body)) {
		return errors.New("the signature does not match")
	}
	if off := now.Sub(time.Unix(at, 0)).Abs(); off > tolerance {
		return fmt.Errorf("the signature is %v off; it may be %v", off, tolerance)
	}
	return nil
}
