package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// settings loads settings, which must be right.
func settings(t *testing.T, args, environ []string) *config.Loaded {
	t.Helper()
	l := config.Load(args, environ)
	if l.Inspect(time.Now()); len(l.Problems) > 0 {
		t.Fatalf("%q %q: %v", args, environ, l.Problems)
	}
	return l
}

// packaged are the files that both packages must have.
var packaged = []string{
	"/usr/bin/fanfare", "/etc/fanfare/fanfare.toml", "/usr/lib/systemd/system/fanfare.service", "/usr/lib/systemd/system/fanfare.socket",
	"/usr/lib/sysusers.d/fanfare.conf", "/usr/share/man/man1/fanfare.1.gz", "/usr/share/doc/fanfare/alerts.yml", "/usr/share/doc/fanfare/fanfare.json", "/usr/share/doc/fanfare/copyright", "/usr/share/doc/fanfare/configuration.md",
}

// TestPackages builds the packages with deploy/build, which downloads nfpm.
func TestPackages(t *testing.T) {
	if !script.Required() {
		t.Skip("deploy/build downloads nfpm: set FANFARE_REQUIRE=1 to run it")
	}
	dir := t.TempDir()
	t.Log(output(t, command(t, "cmd/fanfare/deploy/build", dir, "1.2.3")))
	deb, rpm := only(t, filepath.Join(dir, "fanfare_1.2.3_*.deb")), only(t, filepath.Join(dir, "fanfare-1.2.3-1.*.rpm"))
	t.Run("deb", func(t *testing.T) { checkDeb(t, deb) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, rpm) })
	t.Run("systemd", func(t *testing.T) { boot(t, deb) })
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	all, _ := filepath.Glob(pattern)
	if len(all) != 1 {
		t.Fatalf("%s: %q", pattern, all)
	}
	return all[0]
}

func checkDeb(t *testing.T, deb string) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		script.Need(t, "dpkg-deb", "apt-get install dpkg")
	}
	dir := t.TempDir()
	output(t, exec.Command("dpkg-deb", "--raw-extract", deb, dir))
	for _, file := range packaged {
		if s, err := os.Lstat(dir + file); err != nil || s.Mode().Perm()&0o022 != 0 || (s.Mode().Perm()&0o111 != 0) != (file == "/usr/bin/fanfare") {
			t.Errorf("%s: %v %v", file, s, err)
		}
	}
	if s := read(t, dir+"/DEBIAN/conffiles"); s != "/etc/fanfare/fanfare.toml\n" {
		t.Errorf("dpkg keeps changes in %q", s)
	}
	for _, line := range []string{"Package: fanfare\n", "Version: 1.2.3\n", "Description: WebSocket server"} {
		if s := read(t, dir+"/DEBIAN/control"); !strings.Contains(s, line) {
			t.Errorf("no %q in %s", line, s)
		}
	}
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		output(t, exec.Command("sh", "-n", filepath.Join(dir, "DEBIAN", name)))
	}
	static(t, dir+"/usr/bin/fanfare")
	if v := output(t, exec.Command(dir+"/usr/bin/fanfare", "version")); !strings.Contains(v, " 1.2.3 ") {
		t.Errorf("the program says that it is %q", v)
	}
	checkLinks(t, dir+"/usr/share/doc/fanfare")
	shutdown := settings(t, []string{"-config", dir + "/etc/fanfare/fanfare.toml"}, nil).Config.Shutdown
	if shutdown.Grace != 10*time.Second || shutdown.Window != 2*time.Minute {
		t.Errorf("the service stops with %+v", shutdown)
	}
}

// checkLinks checks that the files that the documents link to are beside them.
func checkLinks(t *testing.T, dir string) {
	t.Helper()
	documents, _ := filepath.Glob(dir + "/*.md")
	links := 0
	for _, document := range documents {
		for _, m := range regexp.MustCompile(`(?:\]\(|src=")([^)#"]+)`).FindAllStringSubmatch(read(t, document), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil || strings.Contains(m[1], "..") {
				t.Errorf("%s links to %s: %v", filepath.Base(document), m[1], err)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links in %q", links, documents)
	}
}

func checkRPM(t *testing.T, rpm string) {
	if _, err := exec.LookPath("rpm"); err != nil {
		script.Need(t, "rpm", "apt-get install rpm")
	}
	list := func(what string) []string {
		return strings.Fields(output(t, exec.Command("rpm", "--query", "--package", what, "--nosignature", rpm)))
	}
	files := list("--list")
	for _, file := range packaged {
		if !slices.Contains(files, file) {
			t.Errorf("%s is missing", file)
		}
	}
	if kept := list("--configfiles"); !slices.Equal(kept, []string{"/etc/fanfare/fanfare.toml"}) {
		t.Errorf("rpm keeps changes in %q", kept)
	}
	if s := output(t, exec.Command("rpm", "--query", "--package", "--scripts", "--nosignature", rpm)); !strings.Contains(s, "systemd-sysusers fanfare.conf") {
		t.Error(s)
	}
}
