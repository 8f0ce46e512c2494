package main

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// asProgram is the environment variable that makes the test binary run the program.
const asProgram = "FANFARE_CHAT_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	netpolltest.Main(m, http.DefaultClient.CloseIdleConnections)
}

// itself starts the program in a separate process.
func itself(t testing.TB, args ...string) *process {
	t.Helper()
	t.Setenv(asProgram, "1")
	return begin(t, os.Args[0], args...)
}

func settles(cond func() bool) bool { return netpolltest.Settles(10*time.Second, cond) }
