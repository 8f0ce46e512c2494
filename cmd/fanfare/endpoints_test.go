package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/admin"
)

// documented is an endpoint in docs/api.md.
type documented struct {
	method, path string
	right        string   // read, write, list, manage or operator; "" for none
	parameters   []string // sorted
}

func (d documented) String() string { return d.method + " " + d.path }

// request returns the path of a request to the endpoint. Profiles would take half a minute, so one is asked for that takes too long,
// and is refused.
func (d documented) request(query string) string {
	if strings.HasPrefix(d.path, admin.ProfilesPath) {
		query = "seconds=1000&" + query
	}
	return strings.NewReplacer("{name}", "x", "{user}", "ada", "{file}", "style.css", "{id}", "1-1").Replace(d.path) + "?" + query
}

var (
	endpointRow = regexp.MustCompile("(?m)^\\| (`(?:GET|POST|DELETE) [^|]*`) \\|([^|]*)\\|([^|]*)\\|([^|\n]*)\\|")
	quotedWord  = regexp.MustCompile("`([^`]+)`")
)

// documentedEndpoints returns the endpoints of docs/api.md: those of the public listeners, and those of operators.
func documentedEndpoints(t *testing.T) (public, operators []documented) {
	t.Helper()
	page, err := os.ReadFile("docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(page), "The listener of [`-admin`]")
	if !found {
		t.Fatal("docs/api.md says nothing about the listener of -admin")
	}
	return endpointsOf(before), endpointsOf(after)
}

func endpointsOf(text string) (all []documented) {
	for _, row := range endpointRow.FindAllStringSubmatch(text, -1) {
		right, _, _ := strings.Cut(strings.TrimSpace(row[3]), " ")
		var parameters []string
		for _, m := range quotedWord.FindAllStringSubmatch(row[4], -1) {
			parameters = append(parameters, m[1])
		}
		slices.Sort(parameters)
		for _, m := range quotedWord.FindAllStringSubmatch(row[1], -1) {
			method, path, _ := strings.Cut(m[1], " ")
			all = append(all, documented{method, path, right, parameters})
		}
	}
	return all
}

// names returns the methods and paths of endpoints, sorted, each once.
func names(lists ...[]documented) (all []string) {
	for _, list := range lists {
		for _, d := range list {
			all = append(all, d.String())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// undocumented are patterns of which the documentation says something in another form: plain requests to WebSocket endpoints,
// and those without a topic's name.
var undocumented = []string{"GET /echo", "GET /hub", "GET /topics/", "POST /topics/"}

// registered returns the patterns that the source of the program registers with a mux.
func registered(t *testing.T) (all []string) {
	t.Helper()
	for _, dir := range []string{".", "admin", "dashboard"} {
		files, constants := parseDir(t, dir)
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 2 {
					return true
				}
				name, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || name.Sel.Name != "Handle" && name.Sel.Name != "HandleFunc" {
					return true
				}
				pattern, err := evaluate(call.Args[0], constants)
				if err != nil {
					t.Errorf("%s: a pattern cannot be evaluated: %v", dir, err)
				}
				all = append(all, strings.ReplaceAll(pattern, "{$}", ""))
				return true
			})
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(p string) bool { return slices.Contains(undocumented, p) })
}

// parseDir returns the files of a package, and its constants that are strings.
func parseDir(t *testing.T, dir string) (files []*ast.File, constants map[string]string) {
	t.Helper()
	constants = make(map[string]string)
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 && len(spec.Values) == 1 {
				if text, err := evaluate(spec.Values[0], constants); err == nil {
					constants[spec.Names[0].Name] = text
				}
			}
			return true
		})
	}
	return files, constants
}

// evaluate returns the value of a constant expression.
func evaluate(e ast.Expr, constants map[string]string) (string, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.Ident:
		if text, ok := constants[e.Name]; ok {
			return text, nil
		}
	case *ast.BinaryExpr:
		x, err := evaluate(e.X, constants)
		if err != nil {
			return "", err
		}
		y, err := evaluate(e.Y, constants)
		return x + y, err
	}
	return "", fmt.Errorf("%T", e)
}

// TestEndpointsAreDocumented checks that docs/api.md lists the patterns that the program registers, and no others.
func TestEndpointsAreDocumented(t *testing.T) {
	public, operators := documentedEndpoints(t)
	want := registered(t)
	if got := names(public, operators); !slices.Equal(got, want) {
		t.Errorf("docs/api.md has\n%q\nand the program registers\n%q", got, want)
	}
	if len(want) < 20 {
		t.Errorf("only %d patterns are found", len(want))
	}
}

// TestHelpListsEndpoints checks that -help lists the endpoints of docs/api.md. Of the profiles it has the first one, and it
// leaves out the files of the dashboard.
func TestHelpListsEndpoints(t *testing.T) {
	var help []string
	for _, m := range regexp.MustCompile(`(?m)^  (GET|POST|DELETE) +http://(ADDR|ADMIN)(/\S*)`).FindAllStringSubmatch(usage, -1) {
		help = append(help, m[2]+": "+m[1]+" "+strings.NewReplacer("NAME", "{name}", "/ID", "/{id}", "USER", "{user}").Replace(m[3]))
	}
	slices.Sort(help)
	public, operators := documentedEndpoints(t)
	var want []string
	for _, name := range names(public) {
		want = append(want, "ADDR: "+name)
	}
	for _, d := range operators {
		as := slices.ContainsFunc(public, func(p documented) bool { return p.String() == d.String() && d.path != "/" })
		if !as && d.path != "/dashboard/{file}" && !strings.HasPrefix(d.path, "/debug/pprof/s") && d.path != "/debug/pprof/profile" && d.path != "/debug/pprof/trace" {
			want = append(want, "ADMIN: "+d.String())
		}
	}
	slices.Sort(want)
	if !slices.Equal(help, want) {
		t.Errorf("-help has\n%q\nand docs/api.md\n%q", help, want)
	}
}

// keysOf writes a file with two keys for each right: one with no other rights, and one with all others.
func keysOf(t *testing.T) (file string) {
	var text strings.Builder
	text.WriteString("[access.anonymous]\nread = []\nwrite = []\nlist = []\nmanage = []\n")
	for _, right := range actionNames {
		fmt.Fprintf(&text, "[[access.key]]\nname = 'only-%s'\nsecret = 'only-%[1]s-1234567'\n%[1]s = ['>', '@>']\n", right)
		fmt.Fprintf(&text, "[[access.key]]\nname = 'all-but-%s'\nsecret = 'all-but-%[1]s-1234567'\n", right)
		for _, other := range actionNames {
			if other != right {
				fmt.Fprintf(&text, "%s = ['>', '@>']\n", other)
			}
		}
	}
	file = filepath.Join(t.TempDir(), "fanfare.toml")
	writeFile(t, file, text.String())
	return file
}

var actionNames = []string{"read", "write", "list", "manage"}

// TestRightsOfEndpoints checks the rights that docs/api.md names, with the program: a key needs that right, and no other.
func TestRightsOfEndpoints(t *testing.T) {
	p := start(t, "-config", keysOf(t), "-admin", "127.0.0.1:0")
	public, operators := documentedEndpoints(t)
	for _, at := range []struct {
		all []documented
		ask func(method, path, body string, fields ...string) (int, string)
	}{{public, p.public}, {operators, p.operator}} {
		for _, d := range at.all {
			ask := func(secret string) int {
				status, _ := at.ask(d.method, d.request(""), `{"user":"ada"}`, "Authorization: Bearer "+secret, "Content-Type: application/json")
				return status
			}
			right := d.right
			if right == "operator" {
				right = "manage"
			}
			refused := func(status int) bool { return status == http.StatusForbidden || status == http.StatusUnauthorized }
			for _, name := range actionNames {
				if got := ask("only-" + name + "-1234567"); refused(got) != (right != "" && name != right) {
					t.Errorf("%v, which needs %q, answers %d to a key with the right to %s", d, d.right, got, name)
				}
			}
			if right != "" && !refused(ask("all-but-"+right+"-1234567")) {
				t.Errorf("%v is allowed without the right to %s", d, right)
			}
			if status, _ := at.ask(d.method, d.request(""), `{"user":"ada"}`); (status == http.StatusUnauthorized) != (right != "") {
				t.Errorf("%v answers %d without a key", d, status)
			}
		}
	}
}

// TestParametersOfEndpoints checks the parameters that docs/api.md names, and that no listener has the endpoints of the other.
func TestParametersOfEndpoints(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	public, operators := documentedEndpoints(t)
	check := func(all []documented, ask func(method, path, body string, fields ...string) (int, string)) {
		for _, d := range all {
			_, body := ask(d.method, d.request("nonsense=1"), "")
			m := regexp.MustCompile(`unknown parameter .* allows ([\w, ]+)"`).FindStringSubmatch(body)
			var got []string
			if m != nil {
				got = slices.DeleteFunc(strings.Split(m[1], ", "), func(name string) bool { return name == "token" })
			}
			if slices.Sort(got); !slices.Equal(got, d.parameters) {
				t.Errorf("%v takes %q, and docs/api.md has %q: %s", d, got, d.parameters, body)
			}
		}
	}
	check(public, p.public)
	operatorsOnly := slices.DeleteFunc(slices.Clone(operators), func(d documented) bool { return slices.Contains(names(public), d.String()) })
	check(operatorsOnly, p.operator)
	for _, d := range operatorsOnly {
		if status, _ := p.public(d.method, d.request(""), ""); status != http.StatusNotFound {
			t.Errorf("a public listener answers %d to %v", status, d)
		}
	}
	for _, d := range public {
		if status, body := p.operator(d.method, d.request(""), ""); !slices.Contains(names(operators), d.String()) && status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			t.Errorf("the listener of operators answers %d to %v: %s", status, d, body)
		}
	}
}

// public sends a request to the public listener.
func (p *program) public(method, path, body string, fields ...string) (int, string) {
	p.t.Helper()
	return p.requestTo(p.addr, method, path, body, fields...)
}
