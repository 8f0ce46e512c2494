// Package secretfile reads files with a secret. Its errors name the file, and show nothing of what is in it.
package secretfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// most is the largest file in bytes. It bounds what is read from one that is named by mistake.
const most = 8 << 10

// Word returns the only word of a file.
func Word(name string) (string, error) {
	if name == "" {
		return "", errors.New("the name of the file is empty")
	}
	b, err := read(name)
	if path, is := errors.AsType[*os.PathError](err); is {
		err = path.Err // name stands before it
	}
	words := bytes.Fields(b)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", name, err)
	case len(b) > most:
		return "", fmt.Errorf("%s: the file has more than %d bytes; it must contain one word, the secret", name, most)
	case len(words) != 1:
		return "", fmt.Errorf("%s: the file contains %d words; it must contain one, the secret", name, len(words))
	}
	return string(words[0]), nil
}

// read reads a file up to the byte after most.
func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}
