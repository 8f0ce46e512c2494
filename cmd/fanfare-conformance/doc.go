// Command fanfare-conformance tests a WebSocket server against RFC 6455 and RFC 7692: 1,849 cases, each with the exact
// response and close code, played over TCP by a client that shares no code with package wsproto.
//
//	go run ./cmd/fanfare-conformance                    # tests wsproto.Server
//	go run ./cmd/fanfare-conformance -run 6.4. -v       # some cases, with the bytes
//	go run ./cmd/fanfare-conformance -list
//
// With -url it tests any other echo server, such as this one:
//
//	go run ./cmd/fanfare
//	go run ./cmd/fanfare-conformance -url ws://localhost:8080/echo
//
// It prints a table of results and a description of each failure. The exit status is 0 if all cases passed, 1 if one failed,
// and 2 if no case could be run. Cases are numbered as in the well-known Autobahn suite: 1 framing, 2 pings, 3 reserved bits,
// 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 limits, 10 miscellaneous, 12 and 13 compression; H is the handshake.
//
// Each case is played twice: with all bytes of a turn in one write, and byte by byte, or in larger pieces if a turn would need
// more than 2048 writes. Every case also checks what the server sends: unmasked frames with lengths in their shortest form,
// no reserved bits, text that is UTF-8, unfragmented control frames, nothing after its close frame, and then an orderly end
// of the connection.
//
// The suite is stricter than others: the server must refuse a text at the byte that makes it invalid, and a frame that is too
// large by its header; it must use the codes 1002, 1007 and 1009; it must answer each ping, and a close frame with the same
// code; and a refused handshake must have a body that says why. A server can fail these cases and still conform to the letter
// of the RFC.
package main
