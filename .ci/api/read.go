package main

import (
	"archive/tar"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing/fstest"
)

// roots are the directories of the public packages.
var roots = []string{"netpoll", "wsproto", "hub"}

// untar returns the Go files of an archive.
func untar(r io.Reader) (fs.FS, error) {
	files := make(fstest.MapFS)
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(header.Name, ".go") {
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		files[header.Name] = &fstest.MapFile{Data: text}
	}
}

// read returns a sorted line for each exported identifier of the public packages in a tree.
func read(tree fs.FS) ([]string, error) {
	var lines []string
	for _, root := range roots {
		err := fs.WalkDir(tree, root, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "internal" || d.Name() == "testdata"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			found, err := readFile(tree, name)
			lines = append(lines, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines), nil // a package may define an identifier once for each of several build tags
}

func readFile(tree fs.FS, name string) ([]string, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil || file.Name.Name == "main" {
		return nil, err
	}
	p := &printer{fset: fset, pkg: path.Dir(name)}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			p.function(d)
		case *ast.GenDecl:
			p.general(d)
		}
	}
	return p.lines, nil
}
