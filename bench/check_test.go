package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := writeJSON(filepath.Join(dir, "report.json"), sample()); err != nil {
		t.Fatal(err)
	}
	now := sample()
	var said strings.Builder
	worse, err := now.check(dir, &said)
	if err != nil || len(worse) > 0 || !strings.Contains(said.String(), "Instructions are not compared: somebody else counts") {
		t.Errorf("%q, %v\n%s", worse, err, said.String())
	}
	heavier := now.Measurements[1].find("fanfare").Figures
	heavier[echoed.at(rss)] = spread{500, 441, 600} // of 400
	now.Measurements[2].find("heavy").Figures[userInstructions] = spread{9000, 4700, 9999}
	worse, err = now.check(dir, &said)
	if err != nil || len(worse) != 1 || !strings.Contains(worse[0], "500, and was 400") {
		t.Errorf("%q, %v", worse, err)
	}
	if _, err := now.check(t.TempDir(), &said); err == nil || !strings.Contains(err.Error(), "-report results writes it") {
		t.Error(err)
	}
	if _, err := new(report).check(dir, &said); err == nil || !strings.Contains(err.Error(), "nothing to compare") {
		t.Error(err)
	}
}
