package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
)

// headerLines is the value of -header-file: header fields, one for each connection in turn.
type headerLines []header

func (h *headerLines) String() string { return "" }

func (h *headerLines) Set(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	number := 0
	for line := range strings.Lines(string(b)) {
		number++
		var one header
		if err := one.Set(strings.TrimRight(line, "\r\n")); err != nil {
			return fmt.Errorf("%s, line %d: %w", file, number, err)
		}
		*h = append(*h, one)
	}
	if number == 0 {
		return fmt.Errorf("%s is empty; it must have a header field per line, in the form \"Name: value\"", file)
	}
	return nil
}

// with returns the fields of h and all.
func (h header) with(all header) http.Header {
	both := http.Header(all).Clone()
	if both == nil {
		return http.Header(h)
	}
	for name, values := range h {
		both[name] = append(both[name], values...)
	}
	return both
}
