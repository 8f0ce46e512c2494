package daemon

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	on := " go1.26 " + runtime.GOOS + "/" + runtime.GOARCH
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3" + on:  {Main: debug.Module{Version: "v1.2.3"}},
		"(devel)" + on: {},
		"(devel) revision abc of 2026-11-30T00:00:00Z with changes" + on: {Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-30T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
		}},
	} {
		info.GoVersion = "go1.26"
		if got := version(&info); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	defer func() { release, revision = "", "" }()
	release, revision = "1.2.3", "abc"
	if got := version(&debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "(devel)"}}); got != "1.2.3 revision abc"+on {
		t.Errorf("a release says that it is %q", got)
	}
}
