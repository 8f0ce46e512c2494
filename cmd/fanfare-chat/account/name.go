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
	// maxMarks is how many accents a letter may have: scripts need a few, and more than
	// that would run into the lines above and below.
	maxMarks = 3
)

// ParseName returns a name as it is shown, and the key by which it is compared: two names
// that differ only in case, in width, or in how Unicode writes them, have the same. A name
// has 1 to 32 characters: letters, digits, and between them . _ - and single spaces; its
// words are usernames of PRECIS (RFC 8265, UsernameCaseMapped). Spaces around it do not
// count. The error says what is wrong, in words for the person who has typed it.
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

// Key returns the key of a name that somebody looks for, which need not be one that could
// still be chosen; "" if nobody can have it.
func Key(s string) string {
	shown := norm.NFC.String(strings.Join(strings.Fields(s), " "))
	if !utf8.ValidString(s) || utf8.RuneCountInString(shown) > MaxName {
		return ""
	}
	return text.Fold(shown)
}

// checkWord reports why a word is no username of PRECIS. What that would map is what
// text.Fold maps too.
func checkWord(word string) error {
	_, err := precis.UsernameCaseMapped.String(word)
	if err == nil {
		return nil
	}
	if errors.Is(err, bidirule.ErrInvalid) {
		return errors.New("the name mixes letters that are written from the right with others, in a way that would be shown in another order")
	}
	for _, r := range word {
		if _, err := precis.UsernameCaseMapped.String(string(r)); err != nil && !unicode.IsMark(r) {
			return fmt.Errorf("the name contains %q, which looks like other letters or digits; write it with those", r)
		}
	}
	return errors.New("the name has letters that cannot stand beside each other")
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
		case text.Ignorable(r), !strings.ContainsRune(separators, r) && !unicode.In(r, unicode.L, unicode.M, unicode.Nd):
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
	return checkScripts(s)
}

// separators are what may stand between letters.
const separators = " ._-"

// confusableScripts are the scripts that have letters which look the same as another's.
var confusableScripts = []struct {
	name  string
	table *unicode.RangeTable
}{{"Latin", unicode.Latin}, {"Greek", unicode.Greek}, {"Cyrillic", unicode.Cyrillic}}

// checkScripts refuses names with letters of two scripts that look alike.
func checkScripts(s string) error {
	first := ""
	for _, script := range confusableScripts {
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
