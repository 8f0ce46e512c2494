package main

import (
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestChurn(t *testing.T) {
	bothEchoes(t, func(t *testing.T, url string) {
		r := runProgram(t, "churn", "-json", "-q", "-count", "300", "-concurrency", "16", "-pid", self, url)
		r.wantOK(t)
		want(t, "opened", r.report.Connections.Opened, 300)
		want(t, "opened and closed", r.report.Cycles.Received, 300)
		if c := r.report.Cycles; c.PerSecond <= 0 || c.Latency == nil || c.Latency.P99 < c.Latency.P50 {
			t.Errorf("%+v", c)
		}
	})
}

func TestChurnRefused(t *testing.T) {
	checkLeaks(t)
	url := ours(t, &wsproto.Server{Handler: new(wsproto.Funcs), Accept: func(*wsproto.Request) error {
		return wsproto.Refuse(503, "full")
	}})
	r := runProgram(t, "churn", "-json", "-q", "-count", "20", "-concurrency", "4", url)
	r.wantFault(t, "refused with 503 Service Unavailable", 20)
}
