// Command exported lists the exported names of this module that no other package uses: they are to
// be unexported, or deleted. The API is left out, which is there for others, and so is what comes
// with something else: methods that an interface asks for, types in the signature or the field of
// an exported name, the constants of an exported type, and the errors that functions document.
package main

import (
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

var forTests = regexp.MustCompile("/(test|hack|zoomtest)(/|$)")

func main() {
	found, err := unused("./...")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, line := range found {
		fmt.Println(line)
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}

// names are exported names of the module, by package and name: a package is loaded once for itself
// and again for each test binary, each time with objects of its own.
type names struct {
	declared map[string]token.Position
	used     map[string]bool
	contract map[string]bool // the methods of any interface
}

func unused(pattern string) ([]string, error) {
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax
	all, err := packages.Load(&packages.Config{Mode: mode, Tests: true}, pattern)
	if err != nil {
		return nil, err
	}
	if packages.PrintErrors(all) > 0 {
		return nil, fmt.Errorf("%s does not compile", pattern)
	}
	n := names{declared: map[string]token.Position{}, used: map[string]bool{}, contract: map[string]bool{
		"Unwrap": true, "Is": true, "As": true, // of interfaces without a name, in the package errors
	}}
	seen := map[*types.Package]bool{}
	for _, p := range all {
		n.contracts(p.Types, seen)
	}
	for _, p := range all {
		n.declarations(p)
		n.uses(p)
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(n.declared)) {
		if !n.used[name] {
			found = append(found, fmt.Sprintf("%s: no other package uses %s", n.declared[name], name))
		}
	}
	return found, nil
}

// contracts records the methods of the interfaces of a package, and of those that it imports.
func (n names) contracts(p *types.Package, seen map[*types.Package]bool) {
	if seen[p] {
		return
	}
	seen[p] = true
	for _, name := range p.Scope().Names() {
		if i, ok := p.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok {
			for m := range i.Methods() {
				n.contract[m.Name()] = true
			}
		}
	}
	for _, imported := range p.Imports() {
		n.contracts(imported, seen)
	}
}

func (n names) declarations(p *packages.Package) {
	if p.Name == "main" || strings.HasSuffix(p.Name, "_test") || strings.Contains(p.PkgPath, "/api/") {
		return
	}
	for _, name := range p.Types.Scope().Names() {
		object := p.Types.Scope().Lookup(name)
		if !object.Exported() || strings.HasSuffix(p.Fset.Position(object.Pos()).Filename, "_test.go") {
			continue
		}
		n.declared[key(object)] = p.Fset.Position(object.Pos())
		switch object := object.(type) {
		case *types.Const:
			if named, ok := object.Type().(*types.Named); ok && named.Obj().Exported() {
				n.used[key(object)] = true
			}
		case *types.TypeName:
			n.members(p, object)
		case *types.Var:
			n.mention(object.Type())
			n.used[key(object)] = n.used[key(object)] || object.Type().String() == "error"
		case *types.Func:
			n.mention(object.Type())
		}
	}
}

// members declares the exported methods of a type.
func (n names) members(p *packages.Package, of *types.TypeName) {
	named, ok := of.Type().(*types.Named)
	if !ok {
		return
	}
	if s, ok := named.Underlying().(*types.Struct); ok {
		for field := range s.Fields() {
			if field.Exported() {
				n.mention(field.Type())
			}
		}
	}
	for m := range named.Methods() {
		if m.Exported() {
			n.mention(m.Type())
			if !n.contract[m.Name()] {
				n.declared[key(m)] = p.Fset.Position(m.Pos())
			}
		}
	}
}

// mention records the types that an exported type is made of as visible from outside.
func (n names) mention(t types.Type) {
	switch t := t.(type) {
	case *types.Named:
		n.used[key(t.Obj())] = true
		for argument := range t.TypeArgs().Types() {
			n.mention(argument)
		}
	case *types.Signature:
		for v := range t.Params().Variables() {
			n.mention(v.Type())
		}
		for v := range t.Results().Variables() {
			n.mention(v.Type())
		}
	case *types.Map:
		n.mention(t.Key())
		n.mention(t.Elem())
	case interface{ Elem() types.Type }:
		n.mention(t.Elem())
	}
}

// uses records what a package uses of others. A package's own tests do not count as another
// package, unless it is a package for tests itself.
func (n names) uses(p *packages.Package) {
	for _, object := range p.TypesInfo.Uses {
		if object.Pkg() == nil || !object.Exported() {
			continue
		}
		of := object.Pkg().Path()
		if p.PkgPath != of && (strings.TrimSuffix(p.PkgPath, "_test") != of || forTests.MatchString(of)) {
			n.used[key(object)] = true
		}
	}
}

// key is a name that an object has in each of the loads of its package.
func key(object types.Object) string {
	name := object.Name()
	if f, ok := object.(*types.Func); ok {
		f = f.Origin()
		if receiver := f.Signature().Recv(); receiver != nil {
			t := receiver.Type()
			if pointer, ok := t.(*types.Pointer); ok {
				t = pointer.Elem()
			}
			if named, ok := t.(*types.Named); ok {
				name = named.Obj().Name() + "." + name
			}
		}
	}
	if object.Pkg() == nil {
		return name
	}
	return object.Pkg().Path() + "." + name
}
