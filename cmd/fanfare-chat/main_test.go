package main

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// asProgram is the variable that has the test binary be the program.
const asProgram = "FANFARE_CHAT_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	netpolltest.Main(m, http.DefaultClient.CloseIdleConnections)
}

// itself starts the program in a process of its own.
func itself(t testing.TB, args ...string) *process {
	t.Helper()
	t.Setenv(asProgram, "1")
	return begin(t, os.Args[0], args...)
}

func settles(cond func() bool) bool { return netpolltest.Settles(10*time.Second, cond) }
