// Package daemon is what the server programs share: they parse their flags, raise the limit of open files, listen, wait
// for a signal, and drain their connections.
package daemon
