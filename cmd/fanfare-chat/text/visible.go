package text

import "unicode"

// Visible reports whether s has a visible character.
func Visible(s string) bool {
	for _, r := range s {
		if !blank(r) {
			return true
		}
	}
	return false
}

// blank reports whether a character by itself is invisible.
func blank(r rune) bool {
	switch {
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r): // in category Cf, but visible
		return false
	case r == '\u2800': // the braille cell without dots
		return true
	}
	return Ignorable(r) || unicode.In(r, unicode.White_Space, unicode.Cc, unicode.Cf, unicode.Z)
}

// Ignorable reports whether a character is an invisible letter or mark.
func Ignorable(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
