package account

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// MaxName is the longest name, in characters.
	MaxName = 32
	// maxMarks is how many accents a letter may have: scripts need a few, and more than
	// that would run into the lines above and below.
	maxMarks = 3
)

// ParseName returns a name as it is shown, and the key by which it is compared: two names
// that differ only in case, in width, or in how Unicode writes them, have the same. A name
// has 1 to 32 characters: letters, digits, and between them . _ - and single spaces. Spaces
// around it do not count. The error says what is wrong, in words for who has typed it.
func ParseName(s string) (shown, key string, err error) {
	if !utf8.ValidString(s) {
		return "", "", errors.New("the name is not UTF-8")
	}
	shown = norm.NFC.String(strings.Join(strings.Fields(s), " "))
	if err := checkName(shown); err != nil {
		return "", "", err
	}
	return shown, keyOf(shown), nil
}

// keyOf folds s until nothing changes: what one step has made another may change once
// more.
func keyOf(s string) string {
	for {
		folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
		if folded == s {
			return s
		}
		s = folded
	}
}

func checkName(s string) error {
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		return errors.New("the name is empty")
	case n > MaxName:
		return fmt.Errorf("the name has %d characters; at most %d are allowed", n, MaxName)
	}
	before, marks := '.', 0 // as if there were a separator before the first
	for _, r := range s {
		if marks++; !unicode.IsMark(r) {
			marks = 0
		}
		switch {
		case invisible(r), !strings.ContainsRune(separators, r) && !unicode.In(r, unicode.L, unicode.M, unicode.Nd):
			return fmt.Errorf("the name contains %q; letters, digits, spaces and . _ - are allowed", r)
		case marks > maxMarks, marks > 0 && strings.ContainsRune(separators, before):
			return errors.New("the name has accents that stand on no letter, or too many on one")
		case strings.ContainsRune(separators, r) && before == ' ', r == ' ' && strings.ContainsRune(separators, before):
			return errors.New("the name has a space beside another sign; spaces stand between letters or digits")
		}
		before = r
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.L, unicode.Nd) }) {
		return errors.New("the name has no letter or digit")
	}
	return mixed(s)
}

// separators are what may stand between letters.
const separators = " ._-"

// invisible reports whether r is a letter or a mark that is not to be seen.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// alike are the scripts that have letters which look the same as another's.
var alike = []struct {
	name  string
	table *unicode.RangeTable
}{{"Latin", unicode.Latin}, {"Greek", unicode.Greek}, {"Cyrillic", unicode.Cyrillic}}

// mixed refuses names with letters of two scripts that look alike.
func mixed(s string) error {
	first := ""
	for _, script := range alike {
		if !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(script.table, r) }) {
			continue
		}
		if first != "" {
			return fmt.Errorf("the name has %s letters as well as %s ones, which can look the same", first, script.name)
		}
		first = script.name
	}
	return nil
}
