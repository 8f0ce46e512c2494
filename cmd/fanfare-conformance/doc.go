// Conformance judges a WebSocket server by what RFC 6455 and RFC 7692 ask of it:
// 1,849 cases, each with the exact answer and close code, played
// over TCP by a client that shares no code with package wsproto.
//
//	go run ./cmd/fanfare-conformance                    # judges wsproto.Server
//	go run ./cmd/fanfare-conformance -run 6.4. -v       # some cases, with the bytes
//	go run ./cmd/fanfare-conformance -list
//
// Any other echo server is judged by its address, such as this one:
//
//	go run ./cmd/fanfare
//	go run ./cmd/fanfare-conformance -url ws://localhost:8080/echo
//
// It prints a table of verdicts and what failed in words, and exits with 1 if
// anything did. The numbers follow those that the field knows from its suites: 1 framing,
// 2 pings, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 limits, 10 the
// rest, 12 and 13 compression, H handshake.
//
// Each case is played twice: with all bytes of a turn in one write, and byte by
// byte, where that would be more than 2048 writes in chops. What a server may send
// is judged in every case: unmasked frames with lengths in their shortest form, no
// reserved bits, text that is UTF-8, whole control frames, nothing behind its close
// frame, and then an orderly end of the connection.
//
// The suite is stricter than the field's: text has to be refused at the byte that
// makes it invalid, and a frame that is too large by its header; the codes 1002,
// 1007 and 1009 must be those; each ping is answered; a close frame is answered
// with its own code; and whoever refuses a handshake says why. A foreign server can
// fail in these and still be within the letter of the RFC.
package main
