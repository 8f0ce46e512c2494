// Package natsserver runs a NATS server with JetStream in the process of fanfare, so that the nodes of a cluster need no
// other program, and the messages of a single node survive its end.
//
// # Two builds
//
// The server is in the program only if it is built with the tag cluster:
//
//	go build -tags cluster ./cmd/fanfare
//
// Without the tag this package has no more than the names that the rest of the program uses. The plain program is as small as
// if the server did not exist, since nothing in it imports nats-server. The module's go.mod lists nats-server all the same. A
// module of its own would keep it out of there, but it could not import the program, which is a package main, and
// go install takes no module with a replacement. Programs that use the library do not download nats-server:
// the go command fetches the source of a module only when a package of it is imported, and leaves out what go.mod files of
// other modules say about the dependencies of theirs (module graph pruning).
//
// # The server
//
// Start checks and locks the directory, starts the server, and waits until JetStream has read what is stored. It does not
// wait for other nodes, since those may be started later; the broker links when enough of them are there. No port for NATS
// clients is opened: the broker of this process connects through [Server.Dial], which is net.Pipe. Only the port for routes
// is opened, if there are peers. Whoever connects there must know the secret, and with TLS must have a certificate of the
// authority too. The secret is sent as it is, so routes over a network that others can read need TLS.
//
// nats-server starts its routes once the port of clients is open, which never happens here. Start therefore calls
// StartRouting itself; see there.
//
// # The directory
//
// The directory has these files:
//
//   - lock: locked by the process that uses the directory
//   - node.json: the name of the node, and the name of its cluster
//   - jetstream: what nats-server stores
//
// The nodes of a cluster know each other by name: the name stands for a copy of the messages. So it is chosen once, from
// the names of the machine and the port of routes, and kept. A node whose directory is lost takes its old name if machine and
// port are the same, and gets the messages of the others. A directory belongs to one cluster, or to a single node: nats-server
// deletes streams that a cluster does not know.
//
// # The end
//
// Stop gives the leadership of streams to other nodes, waits until they have it, for at most a second, and ends the server. It
// must be called after the broker has been closed. It returns when its context is done, even if the server has not ended;
// what has been stored remains, as after a kill.
//
// # Concurrency
//
// All methods of Server may be called from any goroutine. The log is called from goroutines of nats-server, some of which
// hold its locks, so it must not call the server.
package natsserver
