package chat

import (
	"net/http"
	"testing"
)

// Changing the password ends the user's other logins and their connections.
func TestChangePassword(t *testing.T) {
	s := serve(t)
	ada := s.signUp("Ada")
	mine, other := ada.opens(), s.logIn("Ada").opens()
	for _, c := range []struct {
		body   string
		status int
	}{
		{`{"current":"wrong horse","wanted":"another horse"}`, http.StatusForbidden},
		{`{"current":"correct horse","wanted":"short"}`, http.StatusBadRequest},
		{`{"current":"correct horse"}`, http.StatusBadRequest},
		{`{"current":"correct horse","wanted":"another horse"}`, http.StatusNoContent},
		{`{"current":"correct horse","wanted":"a third horse"}`, http.StatusForbidden},
	} {
		ada.asks("POST", "/api/password", c.body, c.status, nil)
	}
	if e := closed(t, other.Conn); e.Code != 3000 {
		t.Errorf("the other login's connection is closed with %v", e)
	}
	other.asks("GET", "/api/me", "", http.StatusUnauthorized, nil)
	ada.asks("GET", "/api/me", "", http.StatusOK, nil)
	mine.gets(`"do":"ping"`)
	for body, status := range map[string]int{
		`{"name":"Ada","password":"correct horse"}`: http.StatusUnauthorized,
		`{"name":"Ada","password":"another horse"}`: http.StatusOK,
	} {
		(&person{server: s}).asks("POST", "/api/login", body, status, nil)
	}
	(&person{server: s}).asks("POST", "/api/password", `{"current":"another horse","wanted":"a third horse"}`, http.StatusUnauthorized, nil)
}
