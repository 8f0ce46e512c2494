// Package peers has nothing but tests: of fanfare.js, the client that package session
// serves, in Node and in Chromium. What it has to do stands once, in fanfare_test.go.
package peers
