// Fanfare-chat is a chat server: open, private and direct rooms with accounts, history, search and
// presence. It is a single process, and stores its data in a SQLite file or in PostgreSQL. Run it with
// -help for its flags.
//
// # A room with 10,000 members
//
// The command
//
//	go test -run xxx -bench Room -benchtime 1x ./cmd/fanfare-chat
//
// measures a room with 10,000 members, ten of whom send messages. It checks that each message is stored,
// and delivered to every member once and in order. It runs this program and fanfare-load, and for
// comparison fanfare with a topic of the same size, to measure the memory of a connection in each.
package main

import "github.com/fanfare-ws/fanfare/cmd/internal/daemon"

func main() { daemon.Main(run) }
