//go:build linux

package netpoll

import (
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestOptionsValidate(t *testing.T) {
	for _, test := range []struct {
		opts  Options
		field string // named in the error; none if ""
	}{
		{Options{}, ""},
		{Options{Loops: 1, Workers: 1, Background: 1, ReadBuffer: 4096, MaxPending: 1, NotSentLowat: 1, UserTimeout: 1, Sweep: time.Millisecond, MaxConns: 1, TLSHandshakes: 1, TLSTimeout: 1}, ""},
		{Options{Loops: -1}, "Loops"},
		{Options{Workers: -1}, "Workers"},
		{Options{Background: -1}, "Background"},
		{Options{ReadBuffer: -1}, "ReadBuffer"},
		{Options{ReadBuffer: 4095}, "ReadBuffer"},
		{Options{MaxPending: -1}, "MaxPending"},
		{Options{NotSentLowat: -1}, "NotSentLowat"},
		{Options{UserTimeout: -1}, "UserTimeout"},
		{Options{Sweep: -1}, "Sweep"},
		{Options{Sweep: time.Millisecond - 1}, "Sweep"},
		{Options{MaxConns: -1}, "MaxConns"},
		{Options{Reserve: -1}, "Reserve"},
		{Options{MaxConnsPerAddr: -1}, "MaxConnsPerAddr"},
		{Options{TLSHandshakes: -1}, "TLSHandshakes"},
		{Options{TLSTimeout: -1}, "TLSTimeout"},
		{Options{TLSWaiting: -1, TotalPending: -1}, ""},
	} {
		err := test.opts.Validate()
		if (err != nil) != (test.field != "") || err != nil && !strings.Contains(err.Error(), "Options."+test.field+" ") {
			t.Errorf("%+v: %v, want an error about %q", test.opts, err, test.field)
		}
		if err == nil {
			continue
		}
		if _, newErr := New(test.opts); newErr == nil || newErr.Error() != err.Error() {
			t.Errorf("New: %v, want %v", newErr, err)
		}
	}
}

func TestOptionsDefaults(t *testing.T) {
	e := newEngine(t, Options{Loops: 3, Logger: slog.Default()})
	want := Options{
		Loops:        3,
		Workers:      1024,
		Background:   1024,
		ReadBuffer:   64 << 10,
		MaxPending:   4 << 20,
		TotalPending: int(MemoryLimit() / 8),
		NotSentLowat: 64 << 10,
		UserTimeout:  time.Minute,
		MinDrain:     1024,
		Sweep:        time.Second, BlockedAfter: time.Second,
		TLSHandshakes: 512,
		TLSWaiting:    16 * 512,
		TLSTimeout:    10 * time.Second,
		ProxyOption:   "Options.ExemptAddr",
		Logger:        slog.Default(),
	}
	if got := e.Options(); !reflect.DeepEqual(got, want) || e.Loops() != 3 {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if n := (Options{}).withDefaults().Loops; n != runtime.GOMAXPROCS(0) {
		t.Errorf("%d loops", n)
	}
}
