package text

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxPasses bounds the passes of Fold and Skeleton. The result of one pass may change again in the
// next one. No character needs more than two passes of Fold: a test checks all characters.
const maxPasses = 4

// Fold returns s without differences of case, width and Unicode encoding. It is idempotent.
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

// foldCase folds case. The letters of Cherokee fold to capitals, but package cases folds their
// capitals to small letters as well, so that each pass would undo the previous one.
func foldCase(s string) string {
	return strings.Map(cherokeeCapital, cases.Fold().String(s))
}

// cherokeeCapital returns the capital of a small Cherokee letter.
func cherokeeCapital(r rune) rune {
	if 0xAB70 <= r && r <= 0xABBF || 0x13F8 <= r && r <= 0x13FD {
		return unicode.ToUpper(r)
	}
	return r
}

// FoldAccents is Fold without accents, so that a search for cafe finds café. It keeps marks that are
// letters of their own, such as the vowels of Indic scripts and Thai, and the voicing marks of kana.
// It removes the points of Hebrew and Arabic.
func FoldAccents(s string) string {
	return Fold(norm.NFC.String(strings.Map(dropAccent, norm.NFKD.String(Fold(s)))))
}

func dropAccent(r rune) rune {
	if unicode.Is(unicode.Mn, r) && unicode.In(r, accents...) && r != '\u3099' && r != '\u309A' {
		return -1
	}
	return r
}

// accents are the scripts whose marks are ignored. Inherited has the marks that many scripts share.
var accents = []*unicode.RangeTable{
	unicode.Inherited, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic, unicode.Syriac,
}
