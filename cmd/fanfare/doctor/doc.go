// Package doctor finds out how many connections a machine can hold, what limits that, and how to raise it. It knows nothing of
// a server but what [Options] say, and changes nothing.
//
// # Arithmetic
//
// Each connection is an open file, a watch of epoll, an entry of conntrack if the kernel tracks connections, and memory:
//
//	320 B in the server           9,600 B with TLS (1.3; less with 1.2)
//	3,600 B in the kernel         its socket, without buffers
//
// Half of the memory is for connections; the other half is what clients can make the server hold, and the program. A limit of a
// cgroup counts the kernel's part, GOMEMLIMIT does not.
//
// # Concurrency
//
// [Examine] takes a few milliseconds. A [Report] is the caller's.
package doctor
