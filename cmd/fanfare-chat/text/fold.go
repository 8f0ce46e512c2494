package text

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxPasses bounds how often Fold folds: what one pass has made, another may change once
// more, but no character needs more than two. A test goes through all of them.
const maxPasses = 4

// Fold returns the form of s in which case, width and the ways of Unicode to write the
// same letter make no difference. It is idempotent.
func Fold(s string) string {
	for range maxPasses {
		folded := norm.NFKC.String(foldCase(norm.NFKC.String(s)))
		if folded == s {
			break
		}
		s = folded
	}
	return s
}

// foldCase folds case. Cherokee is the script whose letters fold to capitals; package cases
// folds its capitals to small letters too, so that each pass would undo the one before.
func foldCase(s string) string {
	return strings.Map(cherokeeCapital, cases.Fold().String(s))
}

// cherokeeCapital returns the capital of a small letter of Cherokee.
func cherokeeCapital(r rune) rune {
	if 0xAB70 <= r && r <= 0xABBF || 0x13F8 <= r && r <= 0x13FD {
		return unicode.ToUpper(r)
	}
	return r
}

// FoldAccents is Fold without accents: who searches for cafe means café too. Marks that are
// letters of their own, as the vowels of India and Thailand are and the voicing of kana,
// stay; the points of Hebrew and Arabic go.
func FoldAccents(s string) string {
	return Fold(norm.NFC.String(strings.Map(dropAccent, norm.NFKD.String(Fold(s)))))
}

func dropAccent(r rune) rune {
	if unicode.Is(unicode.Mn, r) && unicode.In(r, accents...) && r != '\u3099' && r != '\u309A' {
		return -1
	}
	return r
}

// accents are the scripts whose marks do not count: Inherited are those that many share.
var accents = []*unicode.RangeTable{
	unicode.Inherited, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic, unicode.Syriac,
}
