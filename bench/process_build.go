package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// programs has the paths of the programs, and turn, the file that fanfare-load locks for its turn.
type programs struct {
	serve, load, simulate, fanfare, turn string

	mu        sync.Mutex
	installed map[string]installed // programs of other modules, by the server's name
}

// installed is a program, or why there is none.
type installed struct {
	path string
	err  error
}

// build compiles the programs into a directory.
func build(ctx context.Context, dir string) (*programs, error) {
	c := command(ctx, "go", "build", "-o", dir+"/", "github.com/fanfare-ws/fanfare/bench/serve", "github.com/fanfare-ws/fanfare/bench/simulate",
		"github.com/fanfare-ws/fanfare/cmd/fanfare", "github.com/fanfare-ws/fanfare/cmd/fanfare-load")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the servers (run this in the directory bench, as go run -C bench does): %w\n%s", err, out)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	return &programs{
		serve: in("serve"), load: in("fanfare-load"), simulate: in("simulate"), fanfare: in("fanfare"), turn: in("turn"),
		installed: map[string]installed{},
	}, nil
}

// install compiles the program of a server with the versions of its own module, which may differ from those of this one. It
// tries once, so that a program that cannot be built costs no further time.
func (p *programs) install(ctx context.Context, s *servers.Server) (path string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if got, ok := p.installed[s.Name]; ok {
		return got.path, got.err
	}
	dir := filepath.Dir(p.serve)
	c := command(ctx, "go", "install", s.Module+"@"+s.Program)
	c.Env = append(os.Environ(), "GOBIN="+dir)
	out, err := c.CombinedOutput()
	got := installed{path: filepath.Join(dir, s.Name)}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		got = installed{err: fmt.Errorf("%s %s could not be built: %w: %s", s.Module, s.Program, err, lines[len(lines)-1])}
	}
	if ctx.Err() == nil {
		p.installed[s.Name] = got
	}
	return got.path, got.err
}

// versions returns the versions of the modules in a program, by path.
func versions(ctx context.Context, program string) (map[string]string, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	v := map[string]string{}
	for _, m := range info.Deps {
		if v[m.Path] = m.Version; m.Replace != nil {
			v[m.Path] = commit(ctx)
		}
	}
	return v, nil
}

// commit returns the commit of this tree. Go does not record it in programs of other modules.
func commit(ctx context.Context) string {
	out, err := command(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "this tree"
	}
	return strings.TrimSpace(string(out))
}
