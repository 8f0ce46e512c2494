package daemon

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Version describes the build: its version, its revision if that is known, and the release of Go.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown) " + platform(runtime.Version())
	}
	return version(info)
}

func version(info *debug.BuildInfo) string {
	words := []string{info.Main.Version}
	if words[0] == "" {
		words[0] = "(devel)"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		words = append(words, "revision "+revision)
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
