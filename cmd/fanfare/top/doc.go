// Package top is the command fanfare top: the state of a running server in a terminal, like the dashboard's. It asks the
// listener of operators, which may be on another machine.
//
// [Run] is the command. A model has what the server has said and what is shown of it, and changes in Update only, which
// package tea calls one at a time; requests run beside it, and at most one at a time.
//
// Names of topics and users are chosen by strangers: [clean] shows their control characters escaped, so that they cannot
// control the terminal.
package top
