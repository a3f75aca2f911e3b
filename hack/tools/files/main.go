// Command files lists the packages of this module in which more than one pair of files depend on
// each other both ways: what belongs together in such a package is not in one file, or what is in
// one file does not belong together.
package main

import (
	"fmt"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

func main() {
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax
	all, err := packages.Load(&packages.Config{Mode: mode}, "./...")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if packages.PrintErrors(all) > 0 {
		os.Exit(2)
	}
	found := false
	for _, p := range all {
		if circles := bothWays(p); len(circles) > 1 {
			found = true
			for _, c := range circles {
				fmt.Printf("%s: %s needs %s of %s, which needs %s\n", p.PkgPath, c.a, c.ofB, c.b, c.ofA)
			}
		}
	}
	if found {
		os.Exit(1)
	}
}

// circle is two files that depend on each other, each with one name that the other one needs.
type circle struct{ a, b, ofA, ofB string }

func bothWays(p *packages.Package) []circle {
	needs := map[[2]string]string{} // from file, to file: a name
	for id, obj := range p.TypesInfo.Uses {
		if obj.Pkg() != p.Types || !topLevel(p.Types, obj) {
			continue
		}
		from := filepath.Base(p.Fset.Position(id.Pos()).Filename)
		to := filepath.Base(p.Fset.Position(obj.Pos()).Filename)
		if known, there := needs[[2]string{from, to}]; from != to && (!there || obj.Name() < known) {
			needs[[2]string{from, to}] = obj.Name()
		}
	}
	var circles []circle
	for _, arrow := range slices.SortedFunc(maps.Keys(needs), func(x, y [2]string) int { return slices.Compare(x[:], y[:]) }) {
		back, there := needs[[2]string{arrow[1], arrow[0]}]
		if there && arrow[0] < arrow[1] {
			circles = append(circles, circle{arrow[0], arrow[1], back, needs[arrow]})
		}
	}
	return circles
}

// topLevel reports whether an object is declared at the top of its package, or is a field or a
// method.
func topLevel(pkg *types.Package, obj types.Object) bool {
	switch o := obj.(type) {
	case *types.Var:
		return o.IsField() || o.Parent() == pkg.Scope()
	case *types.Func:
		return o.Signature().Recv() != nil || o.Parent() == pkg.Scope()
	default:
		return obj.Parent() == pkg.Scope()
	}
}
