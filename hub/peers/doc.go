// Package peers tests fanfare.js, the client that package session serves, in Node and in Chromium.
// All engines run the same tests, which are in fanfare_test.go.
package peers
