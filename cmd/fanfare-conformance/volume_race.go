//go:build race

package main

// perCase is smaller where all takes ten times as long.
const perCase = 8 * kib
