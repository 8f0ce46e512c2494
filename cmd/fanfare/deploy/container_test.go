package deploy

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto/script"
)

// static checks that a program needs nothing but the kernel.
func static(t *testing.T, file string) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libs, _ := f.ImportedLibraries()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s needs a dynamic linker", file)
		}
	}
	if len(libs) > 0 {
		t.Errorf("%s needs %q", file, libs)
	}
}

// stage is a stage of a Dockerfile: its instructions, each with its arguments.
type stage [][2]string

// stages parses a Dockerfile.
func stages(text string) (all []stage) {
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "FROM" {
			all = append(all, nil)
		}
		if word != "" {
			last := &all[len(all)-1]
			*last = append(*last, [2]string{word, strings.TrimSpace(rest)})
		}
	}
	return all
}

// one returns the arguments of the only such instruction that begins with prefix.
func (s stage) one(t *testing.T, instruction, prefix string) string {
	t.Helper()
	var found []string
	for _, i := range s {
		if i[0] == instruction && strings.HasPrefix(i[1], prefix) {
			found = append(found, i[1])
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s %s: %q", instruction, prefix, found)
	}
	return found[0]
}

// list returns a list in JSON.
func list(t *testing.T, text string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return words
}

// image has what the Dockerfile says.
type image struct {
	t           *testing.T
	dir         string // its files
	env         []string
	run, health []string
}

// newImage makes the image without Docker: it runs the build stage's command here.
func newImage(t *testing.T) *image {
	all := stages(read(t, "Dockerfile"))
	if len(all) != 2 {
		t.Fatalf("%d stages", len(all))
	}
	make, final := all[0].one(t, "RUN", "CGO_ENABLED=0"), all[1]
	if final.one(t, "FROM", "") != "scratch" || final.one(t, "COPY", "") != "--from=build /out/ /" || final.one(t, "USER", "") != "65532:65532" {
		t.Fatalf("the image is not what this test makes: %q", final)
	}
	i := &image{t: t, dir: t.TempDir()}
	if os.Geteuid() != 0 {
		make = strings.ReplaceAll(make, "chown 65532:65532", "true") // the user of the container is this one
	}
	c := command(t, "sh", "-ec", strings.ReplaceAll(make, "/out", i.dir))
	c.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH=", "VERSION=1.2.3", "REVISION=abc")
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		script.Need(t, "/etc/ssl/certs/ca-certificates.crt", "apt-get install ca-certificates")
	}
	output(t, c)
	if err := os.Chmod(i.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	i.env = []string{strings.TrimSpace(final.one(t, "ENV", ""))}
	i.run = list(t, final.one(t, "ENTRYPOINT", ""))
	_, health, _ := strings.Cut(final.one(t, "HEALTHCHECK", ""), "CMD ")
	i.health = list(t, health)
	return i
}

// command returns a command in the image, by its user.
func (i *image) command(words []string, environ ...string) *exec.Cmd {
	c := exec.CommandContext(i.t.Context(), words[0], words[1:]...)
	c.Dir, c.Env = "/", append(i.env, environ...)
	c.SysProcAttr = &syscall.SysProcAttr{
		Chroot: i.dir, Credential: &syscall.Credential{Uid: 65532, Gid: 65532, NoSetGroups: true}, Pdeathsig: syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: os.Getgid(), Size: 1}}
	}
	return c
}

// The image's program starts with nothing but the image's files, as its user; its health check sees that it is up, and that it
// is not; SIGTERM ends it in time for docker stop.
func TestImage(t *testing.T) {
	i := newImage(t)
	static(t, i.dir+"/usr/bin/fanfare")
	if v := output(t, exec.Command(i.dir+"/usr/bin/fanfare", "version")); !strings.Contains(v, "1.2.3 revision ") {
		t.Errorf("the program says that it is %q", v)
	}
	if s := settings(t, []string{"-config", i.dir + "/etc/fanfare/fanfare.toml"}, nil).Config; len(s.Listen) != 1 || s.Listen[0].Addr != ":8080" {
		t.Errorf("the image listens on %+v; it exposes 8080", s.Listen)
	} else if s.Shutdown.Grace+s.Shutdown.Window >= 10*time.Second {
		t.Errorf("docker stop kills it before %v are over", s.Shutdown)
	}
	const socket = "FANFARE_ADDR=unix:/var/lib/fanfare/test.sock" // a port may be in use here
	if out, err := i.command(i.health, socket).CombinedOutput(); err == nil {
		t.Errorf("it is healthy before it runs: %s", out)
	}
	var says netpolltest.Output
	server := i.command(i.run, socket, "FANFARE_SHUTDOWN_GRACE=0s", "FANFARE_SHUTDOWN_WINDOW=1s")
	server.Stdout, server.Stderr = &says, &says
	if err := server.Start(); err != nil {
		if os.Geteuid() != 0 {
			script.Need(t, "a user namespace", "run it as root, or sysctl kernel.unprivileged_userns_clone=1: "+err.Error())
		}
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	if !netpolltest.Settles(time.Minute, func() bool { return strings.Contains(says.String(), "Ctrl-C") }) {
		t.Fatalf("it does not start: %s", says.String())
	}
	if out, err := i.command(i.health, socket).CombinedOutput(); err != nil || !strings.Contains(string(out), `"status":"ok"`) {
		t.Errorf("it is not healthy: %v %s", err, out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v: %s", err, says.String())
	}
}

// What the build copies is not ignored, and the ignored files are not needed: those that Go embeds.
func TestIgnoredFiles(t *testing.T) {
	ignored := strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(read(t, "Dockerfile.dockerignore"), ""))
	if len(ignored) < 3 {
		t.Fatalf("%q", ignored)
	}
	needed := []string{"go.mod", "go.sum", "cmd/fanfare/deploy/container.toml"}
	for _, name := range strings.Fields(output(t, command(t, "go", "list", "-deps", "-f", `{{if not .Standard}}{{with .Module}}{{if .Main}}{{$d := $.Dir}}{{range $.GoFiles}}{{$d}}/{{.}} {{end}}{{range $.EmbedFiles}}{{$d}}/{{.}} {{end}}{{end}}{{end}}{{end}}`, "./cmd/fanfare"))) {
		abs, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(abs, name)
		if err != nil {
			t.Fatal(err)
		}
		needed = append(needed, rel)
	}
	if len(needed) < 100 {
		t.Fatalf("only %d files are needed: %q", len(needed), needed)
	}
	for _, pattern := range ignored {
		expr := regexp.QuoteMeta(pattern)
		expr = strings.ReplaceAll(expr, `\*\*/`, `(.*/)?`)
		expr = strings.ReplaceAll(expr, `\*`, `[^/]*`)
		re := regexp.MustCompile("^" + expr + "(/.*)?$")
		for _, name := range needed {
			if re.MatchString(name) {
				t.Errorf("%s is ignored by %s", name, pattern)
			}
		}
	}
}
