// Package text normalises and examines the text that users enter: which spellings are equal, which
// look alike, and whether a text has a visible character.
//
// [Fold] maps all spellings of a word to one form: it ignores case, width, ligatures, and the
// different encodings of a letter in Unicode. [FoldAccents] ignores accents too, for searching.
// [Skeleton] maps all strings that look alike to one form, by the table of Unicode Technical Standard 39.
//
// Every function accepts any string, makes a bounded number of passes, and takes time proportional to
// the length of the string.
package text
