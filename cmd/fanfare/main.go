// Fanfare is a WebSocket server: it echoes, and fans messages out to the
// subscribers of topics. See -help for its flags and the start page for its
// endpoints.
//
// default.pgo is a profile of the server under load, by which the compiler chooses
// what to inline; it saves every eighth instruction of an echo. It was written with
// -cpuprofile while fanfare-load ran echo -n 1000, echo -n 100 -pipeline 16 and
// broadcast -n 2000, one after the other.
package main

import "github.com/fanfare-ws/fanfare/internal/serving"

func main() { serving.Main(run) }
