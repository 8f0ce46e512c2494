package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

const (
	// ProfilesPath is the beginning of the paths of profiles.
	ProfilesPath = "/debug/pprof/"
	// MaxProfile is the longest time that a profile may cover (?seconds=).
	MaxProfile = 100 * time.Second
)

// Profiles registers the profiles of the process, as go tool pprof asks for them: heap, goroutine, profile (of the CPU),
// trace and others. A GET of ProfilesPath lists them.
func Profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET "+ProfilesPath, short(pprof.Index))
	mux.HandleFunc("GET "+ProfilesPath+"profile", short(pprof.Profile))
	mux.HandleFunc("GET "+ProfilesPath+"trace", short(pprof.Trace))
	mux.HandleFunc("GET "+ProfilesPath+"symbol", pprof.Symbol)
	mux.HandleFunc("POST "+ProfilesPath+"symbol", pprof.Symbol)
}

// short refuses requests for more than MaxProfile. Package pprof itself would wait for as long as it is asked to.
func short(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := r.URL.Query().Get("seconds")
		n, err := strconv.ParseFloat(s, 64)
		if s != "" && (err != nil || !(n >= 0 && n <= MaxProfile.Seconds())) {
			http.Error(w, fmt.Sprintf("seconds=%.40s: it must be a number of seconds, at most %v", s, MaxProfile.Seconds()), http.StatusBadRequest)
			return
		}
		h(w, r)
	}
}
