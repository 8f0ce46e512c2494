// Package browser has tests of the chat as people use it: in Chromium, each in a window
// of their own, with a server behind a proxy that can cut them off.
package browser
