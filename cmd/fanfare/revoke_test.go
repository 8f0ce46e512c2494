package main

import (
	"net/http"
	"strings"
	"testing"
)

// A revocation that cannot be right is refused as the caller's mistake.
func TestRevocationsThatAreRefused(t *testing.T) {
	p := start(t)
	for body, says := range map[string]string{
		`{"user":"ada"}`:                        "",
		`{"id":"x"}`:                            "",
		`{"issued_until":1}`:                    "",
		`{"issued_until":1,"keep":32503680000}`: "",
		``:                                      "must have the form",
		`{}`:                                    "nothing to revoke",
		`{"users":"ada"}`:                       "must have the form",
		`{"user":"ada"} {}`:                     "must have the form",
		`{"user":"ada"}]`:                       "must have the form",
		`{"user":"ada"}}`:                       "must have the form",
		"{\"user\":\"bob\"} \n":                 "",
		`{"user":"ada","id":"x"}`:               "exclude",
		`{"user":"a b"}`:                        "user",
		`{"id":"x","issued_until":1}`:           "leave out the time",
		`{"issued_until":32503680000}`:          "in the future",
		`{"user":"ada","keep":1}`:               "is over",
		`{"issued_until":-1}`:                   "Unix seconds",
		`{"id":"` + strings.Repeat("x", 5000) + `"}`: "larger",
	} {
		want := http.StatusBadRequest
		switch says {
		case "":
			want = http.StatusOK
		case "larger":
			want = http.StatusRequestEntityTooLarge
		}
		if r, answer := p.request("POST", "/revocations", "application/json", strings.NewReader(body)); r.StatusCode != want || !strings.Contains(answer, says) {
			t.Errorf("%.50s: %d %s, want %d %s", body, r.StatusCode, answer, want, says)
		}
	}
}
