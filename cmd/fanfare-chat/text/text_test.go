package text

import (
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// every calls f for all assigned characters.
func every(f func(r rune, s string)) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if utf8.ValidRune(r) && (unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf) || r < 0x10000) {
			f(r, string(r))
		}
	}
}

// Each function is idempotent.
func TestFormsOfEveryCharacterAreStable(t *testing.T) {
	for name, form := range map[string]func(string) string{"Fold": Fold, "FoldAccents": FoldAccents, "Skeleton": Skeleton} {
		every(func(r rune, s string) {
			one := form(s)
			if again := form(one); again != one {
				t.Errorf("%s of %U is %+q, and of that %+q", name, r, one, again)
			}
		})
	}
}

// Fold ignores case, in whichever way it is changed.
func TestFoldOfEveryCharacterIgnoresCase(t *testing.T) {
	every(func(r rune, s string) {
		want := Fold(s)
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			if got := Fold(string(o)); got != want {
				t.Errorf("%U is folded to %+q, and %U to %+q", r, want, o, got)
			}
		}
	})
}

func TestFold(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "ADA": "ada", "Ａｄａ": "ada", "STRASSE straße": "strasse strasse", "ﬁsh": "fish", "Ὀδυσσεύς": "ὀδυσσεύσ",
		"Ꭰꭰ": "ᎠᎠ", "ꭰᏸ": "ᎠᏰ", "\xff": "\ufffd", "ǅ": "dž",
	} {
		if got := Fold(s); got != want {
			t.Errorf("%q is folded to %q, want %q", s, got, want)
		}
	}
}

func TestFoldAccents(t *testing.T) {
	for s, want := range map[string]string{
		"Café": "cafe", "NAÏVE": "naive", "João": "joao", "שָׁלוֹם": "שלום", "مُحَمَّد": "محمد", "ё й": "е и", "Ὀδυσσεύς": "οδυσσευσ",
		"がぱ": "がぱ", "ｶﾞ": "ガ", "नमस्ते": "नमस्ते", "สวัสดี": "สวัสดี", "한국어": "한국어", "Ångström": "angstrom", "e\u0301\u0301\u0301": "e",
	} {
		if got := FoldAccents(s); got != want {
			t.Errorf("%q is plain %q, want %q", s, got, want)
		}
	}
}

func TestSkeleton(t *testing.T) {
	for _, alike := range [][]string{
		{"Paco", "Расо"}, {"olive", "oIive", "olive"}, {"Pascal", "Pɑscal"}, {"scope", "ѕсоре"}, {"Tim", "Tım"}, {"Hugo", "ꓧugo"},
		{"Adele", "ꓮdele"}, {"noel", "nօel"}, {"Tom", "Torn"}, {"Café", "Cafe\u0301"}, {"a", "a\ufe0f"},
	} {
		for _, s := range alike {
			if got, want := Skeleton(s), Skeleton(alike[0]); got != want {
				t.Errorf("the skeleton of %+q is %+q, and that of %+q %+q", s, got, alike[0], want)
			}
		}
	}
	for _, pair := range [][2]string{{"Ada", "Eve"}, {"李", "王"}, {"ada", "Ada"}, {"Ivan", "Lvan"}} {
		if Skeleton(pair[0]) == Skeleton(pair[1]) {
			t.Errorf("%q and %q have the same skeleton", pair[0], pair[1])
		}
	}
}

func TestSkeletonTable(t *testing.T) {
	if !slices.IsSorted(confusableFrom[:]) || len(confusableAt) != len(confusableFrom)+1 || int(confusableAt[len(confusableFrom)]) != len(confusableTo) {
		t.Errorf("%d characters, %d places, %d bytes", len(confusableFrom), len(confusableAt), len(confusableTo))
	}
	if skeletonVersion < norm.Version {
		t.Errorf("the table has Unicode version %s, and Go has %s: generate it again with gen.go", skeletonVersion, norm.Version)
	}
}

func TestVisible(t *testing.T) {
	for _, s := range []string{"", " \n\t", "\u200b", "\u2060\u2060", "\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\u200e\u200f", "\U000e0020", "\u00ad", "\ufe0f", "\u202e", "\u3000\u00a0", "\u180e", "\U0001d173", "\u034f"} {
		if Visible(s) {
			t.Errorf("%+q is visible", s)
		}
	}
	for _, s := range []string{"a", ".", "\u200ba", "👨\u200d👩\u200d👧", "نمی\u200cخواهم", "\u0600", "️❤️", "\u0301", "〿"} {
		if !Visible(s) {
			t.Errorf("%+q is not visible", s)
		}
	}
}

func FuzzForms(f *testing.F) {
	f.Add("Ꭰꭰ Straße \xff e\u0301 \u0345\u0399 ｶﾞ")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4096 {
			return
		}
		if once := Fold(s); Fold(once) != once {
			t.Errorf("%+q is folded to %+q, and that to %+q", s, once, Fold(once))
		}
		if plain := FoldAccents(s); FoldAccents(plain) != plain {
			t.Errorf("%+q is plain %+q, and that %+q", s, plain, FoldAccents(plain))
		}
		if k := Skeleton(s); Skeleton(k) != k {
			t.Errorf("the skeleton of %+q is %+q, and of that %+q", s, k, Skeleton(k))
		}
	})
}
