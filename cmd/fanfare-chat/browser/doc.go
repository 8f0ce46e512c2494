// Package browser tests the chat's page in Chromium. Each user has a window of their own, and the
// server is behind a proxy that can cut the connections.
package browser
