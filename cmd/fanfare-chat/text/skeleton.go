package text

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

//go:generate go run gen.go -in confusables.txt

// Skeleton returns a form that is the same for all strings that look like s (UTS 39, section 4). It is
// meant for comparison and not for display. It is case-sensitive, since case is visible. The
// decomposed replacement of a character can itself be in the table. Unlike the standard, Skeleton
// therefore repeats the mapping until nothing changes, for a bounded number of passes.
func Skeleton(s string) string {
	for range maxPasses {
		next := skeletonOnce(s)
		if next == s {
			break
		}
		s = next
	}
	return s
}

func skeletonOnce(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		if i, ok := slices.BinarySearch(confusableFrom[:], r); ok {
			b.WriteString(confusableTo[confusableAt[i]:confusableAt[i+1]])
		} else if !Ignorable(r) {
			b.WriteRune(r)
		}
	}
	return norm.NFD.String(b.String())
}
