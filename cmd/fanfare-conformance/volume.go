//go:build !race

package main

// perCase is how many bytes the messages of a case of 12 or 13 have together, about.
const perCase = 128 * kib
