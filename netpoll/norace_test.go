//go:build linux && !race

package netpoll

// raceEnabled says that the race detector is at work, and everything slower.
const raceEnabled = false
