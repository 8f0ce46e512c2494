package sqlstore

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// longest is how many bytes of a word count, so that no index has an entry that is too
// long for it.
const longest = 128

// wordsIn returns the words of a text, each once, with the room that they are for in
// front. A word is of letters, digits and the marks that go with them; case does not
// matter, nor whether an accent is a character of its own. The room ends with an x, so
// that what begins like a room's word is of that room.
func wordsIn(room int64, text string) (words []string) {
	text = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text)))
	prefix := strconv.FormatInt(room, 10) + "x"
	seen := make(map[string]bool)
	for word := range strings.FieldsFuncSeq(text, betweenWords) {
		word = cut(strings.TrimLeftFunc(word, unicode.IsMark))
		if word != "" && !seen[word] {
			seen[word] = true
			words = append(words, prefix+word)
		}
	}
	return words
}

// betweenWords reports whether a character is of no word. Variation selectors are marks
// that say whether a character is to be shown as an emoji.
func betweenWords(r rune) bool {
	return !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mn, unicode.Mc) || unicode.Is(unicode.Variation_Selector, r)
}

// cut returns what counts of a word: whole characters.
func cut(word string) string {
	if len(word) <= longest {
		return word
	}
	return strings.ToValidUTF8(word[:longest], "")
}
