package sqlstore

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

// maxWord is how many bytes of a word count, so that no index has an entry that is too
// long for it.
const maxWord = 128

// indexedWords returns the words by which a text is found, each once, with the room that they
// are for in front. A word is of letters, digits and the marks that go with them; case and
// accents do not matter. The room ends with an x, so that what begins like a room's word is
// of that room.
//
// Writing that has no spaces, and emoji, have no words that a program could tell: there,
// each character and each two that stand side by side are one.
func indexedWords(room int64, s string) []string {
	w := newWordList(room)
	for run := range runsIn(s) {
		if !run.dense {
			w.add(truncate(run.text))
			continue
		}
		for i, at := range run.at {
			w.add(run.text[at:run.end(i+1)])
			if i+1 < len(run.at) {
				w.add(run.text[at:run.end(i+2)])
			}
		}
	}
	return w.words
}

// queryWords returns the words that a message must have to be found by a query: where two
// characters stand side by side, each alone need not be asked for.
func queryWords(room int64, query string) []string {
	w := newWordList(room)
	for run := range runsIn(query) {
		if !run.dense {
			w.add(truncate(run.text))
			continue
		}
		for i, at := range run.at[:max(1, len(run.at)-1)] {
			w.add(run.text[at:run.end(i+2)])
		}
	}
	return w.words
}

// wordList has each word once.
type wordList struct {
	prefix string
	words  []string
	seen   map[string]bool
}

func newWordList(room int64) *wordList {
	return &wordList{prefix: strconv.FormatInt(room, 10) + "x", seen: make(map[string]bool)}
}

func (w *wordList) add(word string) {
	if word != "" && !w.seen[word] {
		w.seen[word] = true
		w.words = append(w.words, w.prefix+word)
	}
}

// run is a part of a text without anything in between: a word, or dense writing.
type run struct {
	text  string
	dense bool
	at    []int // where its characters begin, with their marks
}

// end returns where the first n characters of a run end.
func (r *run) end(n int) int {
	if n < len(r.at) {
		return r.at[n]
	}
	return len(r.text)
}

// runsIn gives the runs of a text, without case and accents.
func runsIn(s string) func(yield func(run) bool) {
	return func(yield func(run) bool) {
		s = text.FoldAccents(strings.Map(dropVariation, s))
		start, now := 0, run{}
		for i, r := range s {
			mark := unicode.In(r, unicode.Mn, unicode.Mc)
			if mark && len(now.at) > 0 {
				continue // it belongs to what is before it
			}
			word, dense := !betweenWords(r) && !mark, isDense(r)
			if len(now.at) > 0 && (!word || dense != now.dense) {
				if now.text = s[start:i]; !yield(now) {
					return
				}
				now = run{}
			}
			if word {
				if len(now.at) == 0 {
					start, now.dense = i, dense
				}
				now.at = append(now.at, i-start)
			}
		}
		if len(now.at) > 0 {
			now.text = s[start:]
			yield(now)
		}
	}
}

// dropVariation drops what says whether a character is to be shown as an emoji.
func dropVariation(r rune) rune {
	if unicode.Is(unicode.Variation_Selector, r) {
		return -1
	}
	return r
}

// betweenWords reports whether a character is of no word.
func betweenWords(r rune) bool {
	return r == utf8.RuneError || !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mn, unicode.Mc, unicode.So)
}

// isDense reports whether a character is of a script that puts no spaces between words, or
// puts those words together out of many, or is an emoji or another sign. The sign that makes
// a vowel of kana long is of no script.
func isDense(r rune) bool {
	return r >= 0x0E00 && (r == 'ー' || unicode.In(r, denseScripts...)) || unicode.Is(unicode.So, r)
}

var denseScripts = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Yi,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
	unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet, unicode.Javanese, unicode.Balinese,
}

// truncate returns what counts of a word: whole characters.
func truncate(word string) string {
	if len(word) <= maxWord {
		return word
	}
	n := maxWord
	for !utf8.RuneStart(word[n]) {
		n--
	}
	return word[:n]
}
