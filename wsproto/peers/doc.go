// Package peers has nothing but tests: of wsproto's server with the clients that
// others use, each made by other people from the same RFCs. What every client has
// to get along with stands once, in table_test.go; a file for each says how it does
// a step.
package peers
