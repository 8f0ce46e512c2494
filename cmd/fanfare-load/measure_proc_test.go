package main

import (
	"os"
	"testing"
	"time"
)

func TestProc(t *testing.T) {
	d, err := parseStat([]byte("7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 100"))
	want(t, "error", err, nil)
	want(t, "processor time", d, 1750*time.Millisecond)
	for _, s := range []string{"", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194560 1 2 3 4 x 25 0 0"} {
		if _, err := parseStat([]byte(s)); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	want(t, "kilobytes", kilobytes([]byte("Rss:  12 kB\nPss:   3 kB\n"), "Pss:"), 3<<10)
	want(t, "no such line", kilobytes([]byte("Rss:  12 kB\n"), "Pss:"), unknown)
	page := int64(os.Getpagesize())
	want(t, "sockstat", parseSockstat([]byte("sockets: used 9\nTCP: inuse 1 orphan 0 tw 2 alloc 1 mem 204\nUDP: inuse 0 mem 7\n")), 204*page)
	slabs := "slabinfo - version: 2.1\n# name <active_objs> ...\n" +
		"TCP 26 39 2368 13 8 : tunables 0 0 0 : slabdata 3 3 0\n" +
		"TCPother 5 5 99 1 1 : x\n" +
		"filp 21 42 192 21 1 : x\n"
	want(t, "slabs", parseSlabs([]byte(slabs)), 26*8*page/13+21*page/21)
}

// TestOwnProc reads this process's own files.
func TestOwnProc(t *testing.T) {
	pid := os.Getpid()
	if d, err := processCPU(pid); err != nil || d < 0 {
		t.Error(d, err)
	}
	rss, pss, err := processMemory(pid)
	if err != nil || rss < 1<<20 || pss > rss {
		t.Error(rss, pss, err)
	}
	if n, err := processFiles(pid); err != nil || n < 20 {
		t.Error(n, err)
	}
	if tcpBuffers() < 0 || kernelSlabs() < 1<<20 {
		t.Error(tcpBuffers(), kernelSlabs())
	}
	if _, _, err := processMemory(1 << 30); err == nil {
		t.Error("there is no such process")
	}
}
