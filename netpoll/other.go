//go:build !linux

package netpoll

// Fanfare's engine is built on epoll. The identifier below does not exist, so
// that a build for another system ends with this one line.
const _ = fanfare_runs_on_Linux_only__build_with_GOOS_linux
