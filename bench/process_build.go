package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"strings"
)

// programs has the paths of the programs, and turn, the file that fanfare-load locks for its turn.
type programs struct{ serve, load, simulate, fanfare, turn string }

// build compiles the programs into a directory.
func build(ctx context.Context, dir string) (*programs, error) {
	c := command(ctx, "go", "build", "-o", dir+"/", "github.com/fanfare-ws/fanfare/bench/serve", "github.com/fanfare-ws/fanfare/bench/simulate",
		"github.com/fanfare-ws/fanfare/cmd/fanfare", "github.com/fanfare-ws/fanfare/cmd/fanfare-load")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the servers (run this in the directory bench, as go run -C bench does): %w\n%s", err, out)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	return &programs{in("serve"), in("fanfare-load"), in("simulate"), in("fanfare"), in("turn")}, nil
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
