// Package retryafter reads the header Retry-After of the servers that the program asks.
package retryafter

import (
	"net/http"
	"strconv"
	"time"
)

// Parse returns the time that a header asks to wait for (RFC 9110, 10.2.3), which has seconds or a date; 0 if there is none.
func Parse(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
