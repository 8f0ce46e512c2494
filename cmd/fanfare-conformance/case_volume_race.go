//go:build race

package main

// perCase is smaller with the race detector, which takes ten times as long.
const perCase = 8 * kib
