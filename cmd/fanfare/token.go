package main

import (
	"fmt"
	"os"
	"strings"
)

// readToken returns the only word of a file.
func readToken(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("-token-file: %w", err)
	}
	words := strings.Fields(string(b))
	if len(words) != 1 {
		return "", fmt.Errorf("-token-file %s: the file contains %d words; it must contain one, the token", file, len(words))
	}
	return words[0], nil
}
