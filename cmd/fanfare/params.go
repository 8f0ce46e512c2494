package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// takes returns a handler that calls h if the query string is well-formed and has no other parameters than those named and
// token, which every request may have. A misspelled parameter would otherwise change what a request does without a word:
// ?first=10 would return everything.
func (a *app) takes(h http.HandlerFunc, names ...string) http.HandlerFunc {
	names = append(slices.Clip(names), "token")
	return func(w http.ResponseWriter, r *http.Request) {
		if err := checkParams(r.URL, names); err != nil {
			a.fail(w, http.StatusBadRequest, err.Error())
			return
		}
		h(w, r)
	}
}

// checkParams returns an error if the query string of u is malformed or has a parameter that is not among the names.
func checkParams(u *url.URL, names []string) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("the query string is malformed: %w", err)
	}
	var unknown []string
	for name := range query {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("unknown parameter %.100q; %.100s allows %s", slices.Min(unknown), u.Path, strings.Join(names, ", "))
}
