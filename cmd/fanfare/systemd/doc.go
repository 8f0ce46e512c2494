// Package systemd is the program's side of the interfaces of systemd: sockets that it passes ([Inherited]), and messages that
// it gets ([Notifier]). Without systemd there are no sockets, and messages go nowhere.
//
// A [Notifier] may be used from any goroutine. [Sockets] belong to one goroutine, which must close them.
package systemd
