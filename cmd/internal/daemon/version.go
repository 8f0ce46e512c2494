package daemon

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// A build of a release has these from the linker (-X): it may have no repository to read them from.
var release, revision string

// Version describes the build: its version, its revision if that is known, and the release of Go.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown) " + platform(runtime.Version())
	}
	return version(info)
}

func version(info *debug.BuildInfo) string {
	words := []string{cmp.Or(release, info.Main.Version, "(devel)")}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if r := cmp.Or(settings["vcs.revision"], revision); r != "" {
		words = append(words, "revision "+r)
		if at := settings["vcs.time"]; at != "" {
			words = append(words, "of "+at)
		}
		if settings["vcs.modified"] == "true" {
			words = append(words, "with changes")
		}
	}
	return strings.Join(append(words, platform(info.GoVersion)), " ")
}

func platform(release string) string {
	return fmt.Sprintf("%s %s/%s", release, runtime.GOOS, runtime.GOARCH)
}
