// Package daemon has what the server programs share: their life from the flags to the
// last connection, how they listen, how many connections there is room for, and how they
// say where they are.
package daemon
