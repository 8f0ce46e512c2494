// Functions reports how long the functions of this repository are, in both of its modules, and fails if they are
// longer than we want to read: a median above 8 lines, a 95th percentile above 30, or any function above 60.
//
//	go run ./.ci/functions          # a line for each package, and the functions that are too long
//	go run ./.ci/functions -above 30  # and every function of more than 30 lines
//
// The length of a function is the number of lines between its braces, with blank lines and comments, because a reader
// has to scroll past those as well. A function on one line counts as one line. A function literal belongs to the
// function that contains it. Tests are not counted, and neither are functions without a body.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

const (
	maxMedian  = 8
	maxP95     = 30
	maxLongest = 60
)

func main() {
	root := flag.String("root", ".", "directory of the repository")
	above := flag.Int("above", maxLongest, "list the functions of more than this many lines")
	flag.Parse()
	functions, err := readTree(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "functions:", err)
		os.Exit(1)
	}
	if !report(os.Stdout, functions, *above) {
		os.Exit(1)
	}
}

// A function is one that has a body.
type function struct {
	pkg   string // directory of its package
	name  string // with its receiver
	at    string // file:line
	lines int
}

// readTree returns the functions of every Go file below root that is not a test.
func readTree(root string) ([]function, error) {
	var all []function
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		found, err := readFile(path)
		all = append(all, found...)
		return err
	})
	return all, err
}

func readFile(path string) ([]function, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []function
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		found = append(found, function{
			pkg:   filepath.Dir(path),
			name:  name(f),
			at:    fmt.Sprintf("%s:%d", path, fset.Position(f.Pos()).Line),
			lines: length(fset.Position(f.Body.Lbrace).Line, fset.Position(f.Body.Rbrace).Line),
		})
	}
	return found, nil
}

// length returns how many lines stand between an opening brace and the closing one.
func length(open, end int) int {
	if open == end {
		return 1
	}
	return end - open - 1
}

// name returns the function's name, for a method with the name of its receiver's type.
func name(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

// report prints the figures of each package and of all, and reports whether all functions together are short enough.
func report(w io.Writer, functions []function, above int) bool {
	packages := make(map[string][]function)
	for _, f := range functions {
		packages[f.pkg] = append(packages[f.pkg], f)
	}
	names := make([]string, 0, len(packages))
	for name := range packages {
		names = append(names, name)
	}
	slices.Sort(names)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "package\tfunctions\tmedian\t95th\tlongest\t")
	for _, name := range names {
		measure(packages[name]).print(tab, name)
	}
	all := measure(functions)
	all.print(tab, "all")
	tab.Flush()
	list(w, functions, above)
	return all.verdict(w)
}

// A summary is what is reported of a set of functions.
type summary struct{ count, median, p95, longest int }

func measure(functions []function) summary {
	lengths := make([]int, len(functions))
	for i, f := range functions {
		lengths[i] = f.lines
	}
	slices.Sort(lengths)
	return summary{len(lengths), percentile(lengths, 50), percentile(lengths, 95), percentile(lengths, 100)}
}

// percentile returns the smallest of the sorted values that p percent of them do not exceed.
func percentile(sorted []int, p int) int {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100-1, 0)]
}

func (s summary) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\n", name, s.count, s.median, s.p95, s.longest)
}

// verdict says which of the limits are exceeded, and reports whether none is.
func (s summary) verdict(w io.Writer) bool {
	ok := true
	check := func(what string, is, limit int) {
		if is > limit {
			fmt.Fprintf(w, "functions: the %s is %d lines, the limit is %d\n", what, is, limit)
			ok = false
		}
	}
	check("median", s.median, maxMedian)
	check("95th percentile", s.p95, maxP95)
	check("longest function", s.longest, maxLongest)
	return ok
}

// list prints the functions of more than limit lines, the longest first.
func list(w io.Writer, functions []function, limit int) {
	long := slices.DeleteFunc(slices.Clone(functions), func(f function) bool { return f.lines <= limit })
	slices.SortFunc(long, func(a, b function) int { return cmp.Or(b.lines-a.lines, strings.Compare(a.at, b.at)) })
	for _, f := range long {
		fmt.Fprintf(w, "%s: %s has %d lines\n", f.at, f.name, f.lines)
	}
}
