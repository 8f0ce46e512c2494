package text

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

//go:generate go run gen.go -in confusables.txt

// Skeleton returns what all strings that look like s have in common (UTS 39, section 4).
// It is for comparing alone, and is not fit to be shown. Case counts, since it can be seen.
// What the table has made can be in the table itself, once it is decomposed: so, unlike
// the standard's, this is applied until nothing changes, within a bound.
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
