package account

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

const (
	// MaxName is the longest name, in characters.
	MaxName = 32
	// maxMarks is the largest number of accents on a letter. Some scripts need a few; more would
	// overlap the lines above and below.
	maxMarks = 3
)

// ParseName returns a new name in the form in which it is shown, and the key by which names are
// compared. Names that differ only in case, width or Unicode encoding have the same key. A name has 1
// to 32 characters: letters, digits, and between them . _ - and single spaces. Each word must be a
// PRECIS username (RFC 8265, UsernameCaseMapped). Surrounding spaces are removed. The text of the
// error is meant for the user.
func ParseName(s string) (shown, key string, err error) {
	if !utf8.ValidString(s) {
		return "", "", errors.New("the name is not UTF-8")
	}
	shown = norm.NFC.String(strings.Join(strings.Fields(s), " "))
	if err := checkName(shown); err != nil {
		return "", "", err
	}
	for word := range strings.SplitSeq(shown, " ") {
		if err := checkWord(word); err != nil {
			return "", "", err
		}
	}
	return shown, text.Fold(shown), nil
}

// Key returns the key of a name to look up, which need not be valid as a new name. It returns "" if
// no account can have the name.
func Key(s string) string {
	shown := norm.NFC.String(strings.Join(strings.Fields(s), " "))
	if !utf8.ValidString(s) || utf8.RuneCountInString(shown) > MaxName {
		return ""
	}
	return text.Fold(shown)
}

// checkWord returns an error unless a word is a PRECIS username. The mappings of PRECIS are among
// those of text.Fold.
func checkWord(word string) error {
	_, err := precis.UsernameCaseMapped.String(word)
	if err == nil {
		return nil
	}
	if errors.Is(err, bidirule.ErrInvalid) {
		return errors.New("the name mixes right-to-left letters with others in a way that would be displayed in a different order")
	}
	for _, r := range word {
		if _, err := precis.UsernameCaseMapped.String(string(r)); err != nil && !unicode.IsMark(r) {
			return fmt.Errorf("the name contains %q, which looks like other letters or digits; use those instead", r)
		}
	}
	return errors.New("the name has letters that must not be next to each other")
}

func checkName(s string) error {
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		return errors.New("the name is empty")
	case n > MaxName:
		return fmt.Errorf("the name is too long: it has %d characters, and may have at most %d", n, MaxName)
	}
	before, marks := '.', 0 // as if there were a separator before the first
	for _, r := range s {
		if marks++; !unicode.IsMark(r) {
			marks = 0
		}
		switch {
		case text.Ignorable(r), !strings.ContainsRune(separators, r) && !unicode.In(r, unicode.L, unicode.M, unicode.Nd):
			return fmt.Errorf("the name contains %q; letters, digits, spaces and . _ - are allowed", r)
		case marks > maxMarks, marks > 0 && strings.ContainsRune(separators, before):
			return errors.New("the name has an accent without a letter, or too many accents on one letter")
		case strings.ContainsRune(separators, r) && before == ' ', r == ' ' && strings.ContainsRune(separators, before):
			return errors.New("the name has a space next to punctuation; spaces are allowed between letters or digits")
		}
		before = r
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.L, unicode.Nd) }) {
		return errors.New("the name must have at least one letter or digit")
	}
	return checkScripts(s)
}

// separators are the characters allowed between letters and digits.
const separators = " ._-"

// confusableScripts are scripts with letters that look like letters of the other ones.
var confusableScripts = []struct {
	name  string
	table *unicode.RangeTable
}{{"Latin", unicode.Latin}, {"Greek", unicode.Greek}, {"Cyrillic", unicode.Cyrillic}}

// checkScripts returns an error for a name with letters of two confusable scripts.
func checkScripts(s string) error {
	first := ""
	for _, script := range confusableScripts {
		if !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(script.table, r) }) {
			continue
		}
		if first != "" {
			return fmt.Errorf("the name mixes %s and %s letters, which can look the same", first, script.name)
		}
		first = script.name
	}
	return nil
}
