package text

import "unicode"

// Visible reports whether there is anything to be seen of s.
func Visible(s string) bool {
	for _, r := range s {
		if !blank(r) {
			return true
		}
	}
	return false
}

// blank reports whether nothing is to be seen of a character by itself.
func blank(r rune) bool {
	switch {
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r): // of category Cf, but with a shape
		return false
	case r == '\u2800': // a braille cell without a dot
		return true
	}
	return Ignorable(r) || unicode.In(r, unicode.White_Space, unicode.Cc, unicode.Cf, unicode.Z)
}

// Ignorable reports whether a character is a letter or a mark that has no shape.
func Ignorable(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
