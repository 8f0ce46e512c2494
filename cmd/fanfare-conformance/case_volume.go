//go:build !race

package main

// perCase is about the total size of the messages in a case of groups 12 and 13.
const perCase = 128 * kib
