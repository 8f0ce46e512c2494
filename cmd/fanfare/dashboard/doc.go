// Package dashboard has the page that shows operators the state of a server. Its files are part of the program; nothing is
// built, and nothing is loaded from elsewhere.
//
// The page reads GET /api/status, /api/history, /api/topics and /api/clients, every two seconds while somebody looks at it. It contains
// no secret, so everybody may load it: the requests carry the key, which the page asks for and keeps for its tab only.
//
// Names of topics and users are chosen by strangers. The page inserts them as text, and its policy forbids scripts and
// styles in the document, and markup from strings.
package dashboard
