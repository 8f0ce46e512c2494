package main

import (
	"crypto/subtle"
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

// authorize lets only those change something who know the token, if there is one; and
// only those see what users got who do.
func (a *app) authorize(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
		name, ok := strings.CutPrefix(r.URL.Path, topicsPath)
		users := ok && hub.IsUserTopic(name)
		switch {
		case a.trusts(r), safe && !users, !safe && a.token == "":
			h.ServeHTTP(w, r)
		case a.token == "":
			fail(w, http.StatusForbidden, "what users got is told to who knows the server's token, and it has none: start it with -token-file FILE")
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "the server wants its token for that, as Authorization: Bearer TOKEN")
		}
	})
}

// trusts reports whether the request has the token.
func (a *app) trusts(r *http.Request) bool {
	return a.token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+a.token)) == 1
}
