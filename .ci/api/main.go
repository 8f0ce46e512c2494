// Api prints the exported identifiers of the public packages, with methods and fields, sorted, one to a line; given two
// revisions, it prints what the second one removes and adds.
//
//	go run ./.ci/api                 # of the working tree
//	go run ./.ci/api v1.2.0          # of a revision
//	go run ./.ci/api v1.2.0 HEAD     # removed ("-") and added ("+") between two
//
// The public packages are netpoll, wsproto and hub with the packages below them, without those that are named internal
// or main. A changed signature or type appears as one line removed and one added.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, revisions []string) error {
	switch len(revisions) {
	case 0:
		lines, err := read(os.DirFS("."))
		return errors.Join(err, printAll(w, "", lines))
	case 1:
		lines, err := readRevision(revisions[0])
		return errors.Join(err, printAll(w, "", lines))
	case 2:
		return compare(w, revisions[0], revisions[1])
	}
	return fmt.Errorf("%d arguments, want at most two revisions", len(revisions))
}

func printAll(w io.Writer, prefix string, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, prefix+line); err != nil {
			return err
		}
	}
	return nil
}

func compare(w io.Writer, before, after string) error {
	old, err := readRevision(before)
	if err != nil {
		return err
	}
	now, err := readRevision(after)
	if err != nil {
		return err
	}
	return errors.Join(
		printAll(w, "- ", without(old, now)),
		printAll(w, "+ ", without(now, old)))
}

// without returns the lines that are not among the others, which are sorted.
func without(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		_, found := slices.BinarySearch(others, line)
		return found
	})
}

// readRevision reads the files of a git revision, without touching the working tree.
func readRevision(revision string) ([]string, error) {
	var stderr bytes.Buffer
	git := exec.Command("git", "archive", "--format=tar", revision)
	git.Stderr = &stderr
	archive, err := git.Output()
	if err != nil {
		return nil, fmt.Errorf("git archive %s: %w: %s", revision, err, bytes.TrimSpace(stderr.Bytes()))
	}
	files, err := untar(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	return read(files)
}
