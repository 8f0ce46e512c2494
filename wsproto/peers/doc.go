// Package peers tests wsproto's server with WebSocket clients of other projects, each an
// independent implementation of the same RFCs. table_test.go has what every client must be
// able to do; one file for each client has the steps.
package peers
