package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// readToken returns the first word of a file.
func readToken(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("-token-file: %w", err)
	}
	words := strings.Fields(string(b))
	if len(words) != 1 {
		return "", fmt.Errorf("-token-file %s: it has %d words; it is to have one, the token", file, len(words))
	}
	return words[0], nil
}

var errNoToken = errors.New("the server wants its token for that, as Authorization: Bearer TOKEN")

// authorize lets only those change something, or see what users get, who know the token.
func (a *app) authorize(h http.Handler) http.Handler {
	if a.token == "" {
		return h
	}
	want := []byte("Bearer " + a.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
		if (!safe || strings.HasPrefix(r.URL.Path, topicsPath+hub.UserTopic(""))) && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, errNoToken.Error())
			return
		}
		h.ServeHTTP(w, r)
	})
}
