package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// imports checks every Go file against the import table, whatever its build
// tags: go list would see those of one system only.
func imports(files []string) ([]string, error) {
	var found []string
	fset := token.NewFileSet()
	for _, f := range files {
		if !strings.HasSuffix(f, ".go") || strings.Contains(f, "/testdata/") {
			continue
		}
		parsed, err := parser.ParseFile(fset, f, nil, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		pkg := path.Dir(f)
		isTest := strings.HasSuffix(f, "_test.go")
		entry, listed := entryFor(pkg)
		if !listed {
			found = append(found, pkg+": not in the import table; add it to .ci/layout/rules.go and docs/architecture.md")
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
			at := fset.Position(spec.Pos()).String()
			if ours, ok := ownPackage(imported); ok {
				if listed && !isTest {
					found = append(found, ownImport(at, pkg, ours, entry)...)
				}
				continue
			}
			found = append(found, otherImport(at, pkg, imported, isTest)...)
		}
	}
	return found, nil
}

// ownPackage returns the directory of a package of this module.
func ownPackage(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// ownImport checks an import of a package of this module by code that is not a
// test.
func ownImport(at, pkg, ours string, entry []string) []string {
	if slices.Contains(testOnly, ours) && !slices.Contains(testOnly, pkg) {
		return []string{fmt.Sprintf("%s: %s imports %s, which is for tests", at, pkg, ours)}
	}
	if !allowed(entry, ours) {
		return []string{fmt.Sprintf("%s: %s must not import %s", at, pkg, ours)}
	}
	return nil
}

// otherImport checks an import from outside this module.
func otherImport(at, pkg, imported string, isTest bool) []string {
	for mod, owner := range onlyImporter {
		if below(imported, mod) && pkg != owner {
			return []string{fmt.Sprintf("%s: %s must not import %s; only %s does", at, pkg, imported, owner)}
		}
	}
	if isTest || slices.Contains(testOnly, pkg) {
		return nil
	}
	for _, mod := range testModules {
		if below(imported, mod) {
			return []string{fmt.Sprintf("%s: %s must not import %s outside its tests", at, pkg, imported)}
		}
	}
	return nil
}
