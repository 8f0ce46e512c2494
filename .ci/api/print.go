package main

import (
	"go/ast"
	"go/format"
	"go/token"
	"strings"
)

// A printer collects the lines of one file.
type printer struct {
	fset  *token.FileSet
	pkg   string
	lines []string
}

func (p *printer) add(words ...string) {
	p.lines = append(p.lines, p.pkg+": "+oneLine(strings.Join(words, " ")))
}

// oneLine returns a text with single spaces between its words.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// source returns Go source of a node, on one line.
func (p *printer) source(node any) string {
	var b strings.Builder
	if err := format.Node(&b, p.fset, node); err != nil {
		panic(err) // the node was parsed, so it can be printed
	}
	return strings.NewReplacer("( ", "(", ", )", ")").Replace(oneLine(b.String()))
}

func (p *printer) function(f *ast.FuncDecl) {
	if !f.Name.IsExported() {
		return
	}
	signature := strings.TrimPrefix(p.source(f.Type), "func")
	if f.Recv == nil {
		p.add("func", f.Name.Name+signature)
		return
	}
	receiver := f.Recv.List[0].Type
	if ast.IsExported(base(receiver)) {
		p.add("method", "("+p.source(receiver)+")", f.Name.Name+signature)
	}
}

// base returns the name of a receiver's or an embedded field's type, without package, pointer and type parameters.
func base(t ast.Expr) string {
	switch x := t.(type) {
	case *ast.StarExpr:
		return base(x.X)
	case *ast.IndexExpr:
		return base(x.X)
	case *ast.IndexListExpr:
		return base(x.X)
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.Ident:
		return x.Name
	}
	return ""
}

func (p *printer) general(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			p.typ(s)
		case *ast.ValueSpec:
			p.values(d.Tok.String(), s)
		}
	}
}

// values prints constants or variables: their type if it is written, and otherwise nothing but their names.
func (p *printer) values(kind string, s *ast.ValueSpec) {
	typ := ""
	if s.Type != nil {
		typ = p.source(s.Type)
	}
	for _, name := range s.Names {
		if name.IsExported() {
			p.add(kind, name.Name, typ)
		}
	}
}

func (p *printer) typ(s *ast.TypeSpec) {
	if !s.Name.IsExported() {
		return
	}
	name := s.Name.Name
	if s.Assign.IsValid() {
		name += " ="
	}
	switch t := s.Type.(type) {
	case *ast.StructType:
		p.add("type", name, "struct")
		p.fields(s.Name.Name, t.Fields)
	case *ast.InterfaceType:
		p.add("type", name, "interface")
		p.methods(s.Name.Name, t.Methods)
	default:
		p.add("type", name, p.source(t))
	}
}

func (p *printer) fields(owner string, fields *ast.FieldList) {
	for _, field := range fields.List {
		if len(field.Names) == 0 && ast.IsExported(base(field.Type)) {
			p.add("field", owner, "embeds", p.source(field.Type))
		}
		for _, name := range field.Names {
			if name.IsExported() {
				p.add("field", owner+"."+name.Name, p.source(field.Type))
			}
		}
	}
}

// methods prints those of an interface. An unexported one is printed as well: with it, no other package can implement
// the interface.
func (p *printer) methods(owner string, methods *ast.FieldList) {
	for _, method := range methods.List {
		if len(method.Names) == 0 {
			p.add("method", owner, "embeds", p.source(method.Type))
		}
		for _, name := range method.Names {
			p.add("method", owner+"."+name.Name+strings.TrimPrefix(p.source(method.Type), "func"))
		}
	}
}
