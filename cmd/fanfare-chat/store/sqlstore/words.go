package sqlstore

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

// maxWord is the number of bytes of a word that are indexed. Indexes have limits on their entries.
const maxWord = 128

// indexedWords returns the words under which a text is indexed, each once, prefixed with the room. A word
// consists of letters, digits and their combining marks, without differences of case and accents. An x
// separates the room from the word, so that a prefix search stays in the room.
//
// In scripts without spaces between words, and for emoji, each character and each pair of adjacent
// characters is a word.
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

// queryWords returns the words that a message must have to match a query. In scripts without spaces these
// are the pairs of adjacent characters; a single character is a word only by itself.
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

// wordList is a list of words without duplicates.
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

// run is an uninterrupted part of a text: a word, or a run of characters of a script without spaces.
type run struct {
	text  string
	dense bool
	at    []int // the starts of its characters, which include combining marks
}

// end returns the end of the first n characters of a run.
func (r *run) end(n int) int {
	if n < len(r.at) {
		return r.at[n]
	}
	return len(r.text)
}

// runsIn yields the runs of a text, without differences of case and accents.
func runsIn(s string) func(yield func(run) bool) {
	return func(yield func(run) bool) {
		s = text.FoldAccents(strings.Map(dropVariation, s))
		start, now := 0, run{}
		for i, r := range s {
			mark := unicode.In(r, unicode.Mn, unicode.Mc)
			if mark && len(now.at) > 0 {
				continue // the mark belongs to the character before it
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

// dropVariation drops variation selectors, which select whether a character is shown as an emoji.
func dropVariation(r rune) rune {
	if unicode.Is(unicode.Variation_Selector, r) {
		return -1
	}
	return r
}

// betweenWords reports whether a character is not part of any word.
func betweenWords(r rune) bool {
	return r == utf8.RuneError || !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mn, unicode.Mc, unicode.So)
}

// isDense reports whether a character belongs to a script without spaces between words, or with long
// compound words, or is an emoji or another symbol. The prolonged sound mark of kana belongs to no
// script.
func isDense(r rune) bool {
	return r >= 0x0E00 && (r == 'ー' || unicode.In(r, denseScripts...)) || unicode.Is(unicode.So, r)
}

var denseScripts = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Yi,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
	unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet, unicode.Javanese, unicode.Balinese,
}

// truncate returns the indexed part of a word, which ends with a whole character.
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
