// Package text compares and judges what people write: which spellings are the same, which
// look the same, and whether there is anything to be seen.
//
// # Three ways to be the same
//
// [Fold] has one form for all spellings of a word: case, width, ligatures, and the ways in
// which Unicode writes the same letter make no difference. [FoldAccents] leaves the accents out
// as well, for searching. [Skeleton] has one form for all strings that look the same, by
// the table of Unicode's Technical Standard 39.
//
// Every function is total and bounded: it takes any string, a fixed number of passes, and
// time in proportion to the string.
package text
