package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Imports point in one direction: cmd, hub, wsproto, netpoll. Tests may import anything.
func TestImportsPointDownwards(t *testing.T) {
	const module = "github.com/fanfare-ws/fanfare/"
	layers := []string{"netpoll", "wsproto", "hub", "cmd"}
	for level, layer := range layers {
		files := 0
		err := filepath.WalkDir(filepath.Join("..", "..", layer), func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imp := range f.Imports {
				name, _ := strconv.Unquote(imp.Path.Value)
				rest, ours := strings.CutPrefix(name, module)
				for above, upper := range layers {
					if ours && above > level && (rest == upper || strings.HasPrefix(rest, upper+"/")) {
						t.Errorf("%s imports %s, which is above it", path, name)
					}
				}
			}
			return nil
		})
		if err != nil || files == 0 {
			t.Errorf("%s: %d files, %v", layer, files, err)
		}
	}
}
