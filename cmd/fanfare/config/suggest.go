package config

import (
	"fmt"
	"strings"
)

// suggest returns "; did you mean X?" for the candidate that is most like a word, or nothing if none is.
func suggest(word string, candidates []string) string {
	return suggestWithin(max(1, len(word)/3), word, candidates)
}

// suggestWithin is suggest for candidates of at most that distance.
func suggestWithin(most int, word string, candidates []string) string {
	best, least := "", most+1
	if len(word) > 100 { // no name is that long
		return ""
	}
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// suggestField returns the same for a path of the file. A key in the wrong table, and the name of a flag, are alike, too.
func suggestField(path string, s *schema) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	var all []string
	for _, f := range s.fields {
		if f.inFile && (f.flag == key || f.key == key) {
			return fmt.Sprintf("; did you mean %s?", f.path)
		}
		if f.inFile {
			all = append(all, f.path)
		}
	}
	return suggestWithin(max(1, len(key)/3), path, all)
}

// distance is how many letters have to be inserted, deleted, replaced, or swapped with the next one, to make b of a.
func distance(a, b string) int {
	before, last, row := []int(nil), []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
