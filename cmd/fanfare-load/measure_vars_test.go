package main

import (
	"expvar"
	"net/http"
	"strings"
	"testing"
)

func TestVars(t *testing.T) {
	url := ourEcho(t)
	vars := "http" + strings.TrimPrefix(page(t, expvar.Handler().ServeHTTP), "ws")
	r := runProgram(t, "idle", "-json", "-q", "-n", "20", "-hold", "1ms", "-pid", self, "-vars", vars, url)
	r.wantOK(t)
	for _, s := range r.report.Memory {
		if s.Server.Heap.Total < 1e5 || s.Server.Stacks.Total <= 0 {
			t.Errorf("%s: %+v", s.Name, s.Server)
		}
		want(t, "goroutines, which the page does not have", s.Server.Goroutines.Total, unknown)
	}
	if r := runProgram(t, "idle", "-q", "-n", "20", "-hold", "1ms", "-pid", self, "-vars", vars, url); !strings.Contains(r.stdout, "server, heap") {
		t.Error("the table does not show it")
	}
}

func TestSettle(t *testing.T) {
	url, asked := ourEcho(t), 0
	settle := "http" + strings.TrimPrefix(page(t, func(http.ResponseWriter, *http.Request) { asked++ }), "ws")
	r := runProgram(t, "idle", "-json", "-q", "-n", "50", "-hold", "1ms", "-pid", self, "-settle", settle, url)
	r.wantOK(t)
	want(t, "times that the page was asked for", asked, 1)
	checkStages(t, r.report.Memory, "before", "connected", "after 1ms", "settled")
	nowhere := "http" + strings.TrimPrefix(page(t, http.NotFound), "ws")
	r = runProgram(t, "idle", "-json", "-q", "-n", "5", "-hold", "1ms", "-pid", self, "-settle", nowhere, url)
	if f := r.wantFault(t, "ended early", 1); !strings.Contains(f.Example, "-settle: ") || !strings.Contains(f.Example, "404") {
		t.Errorf("%+v", f)
	}
}

func TestVarsOfSomethingElse(t *testing.T) {
	vars := "http" + strings.TrimPrefix(page(t, http.NotFound), "ws")
	r := runProgram(t, "idle", "-json", "-q", "-n", "5", "-hold", "1ms", "-pid", self, "-vars", vars, ourEcho(t))
	if f := r.wantFault(t, "ended early", 1); !strings.Contains(f.Example, "expvar") {
		t.Errorf("%+v", f)
	}
}
