// Fanfare-chat is a chat: rooms that are open, private, or for two, with accounts,
// history, search, and who is there. It is one process that needs nothing else, and keeps
// what it has in a SQLite file, or in PostgreSQL. See -help for its flags.
//
// # A room of ten thousand
//
// That many members of one room, of whom ten talk, with every message stored, and
// delivered to each of them once and in order, are measured by
//
//	go test -run xxx -bench Room -benchtime 1x ./cmd/fanfare-chat
//
// which starts this program and fanfare-load, and beside it fanfare with a topic of as
// many, for what a connection costs in each.
package main

import "github.com/fanfare-ws/fanfare/cmd/internal/daemon"

func main() { daemon.Main(run) }
