// Command layout checks what holds the tree together: which package may import
// which, the names at the top level, and that no file holds what does not belong
// into a published repository.
//
//	go run ./.ci/layout
//
// It prints one line per violation and exits 1 when there is any. The rules are
// in rules.go; docs/architecture.md explains them.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Stdout, os.Stderr)) }

// run checks the tree below the current directory and returns the exit status.
func run(stdout, stderr io.Writer) int {
	files, err := list(".")
	if err != nil {
		fmt.Fprintln(stderr, "layout:", err)
		return 2
	}
	var found []string
	for _, check := range []func([]string) ([]string, error){topLevel, imports, contents, links, lean} {
		v, err := check(files)
		if err != nil {
			fmt.Fprintln(stderr, "layout:", err)
			return 2
		}
		found = append(found, v...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	for _, line := range found {
		fmt.Fprintln(stdout, line)
	}
	if len(found) > 0 {
		fmt.Fprintf(stderr, "layout: %d violations\n", len(found))
		return 1
	}
	fmt.Fprintf(stdout, "layout: %d files keep to the rules\n", len(files))
	return 0
}

// list returns the slash-separated paths of the files below dir: those that git
// tracks or would track, or all of them where there is no repository.
func list(dir string) ([]string, error) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached")
	cmd.Dir = dir
	if out, err := cmd.Output(); err == nil {
		var files []string
		for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
			// A tracked file that was deleted and not yet committed is still listed.
			if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
				files = append(files, name)
			}
		}
		return files, nil
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, filepath.ToSlash(rel))
		return err
	})
	return files, err
}

// topLevel finds names at the top level that do not belong there.
func topLevel(files []string) ([]string, error) {
	var found []string
	for _, f := range files {
		top, _, _ := strings.Cut(f, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(topNames, top) {
			found = append(found, fmt.Sprintf("%s: the top level holds only %s and dot-files", f, strings.Join(topNames, ", ")))
		}
	}
	return found, nil
}

// contents finds files that are too large or too long, and text that says where
// a file was written.
func contents(files []string) ([]string, error) {
	var found []string
	hosts := privateHosts()
	for _, f := range files {
		info, err := os.Lstat(f)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			found = append(found, f+": only regular files belong into the tree")
			continue
		}
		if info.Size() > maxBytes {
			found = append(found, fmt.Sprintf("%s: %d bytes; a file has at most %d", f, info.Size(), maxBytes))
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if isSource(f) {
			if n := bytes.Count(data, []byte("\n")); n > maxLines {
				found = append(found, fmt.Sprintf("%s: %d lines; a source file has at most %d: split it", f, n, maxLines))
			}
		}
		if bytes.IndexByte(data, 0) >= 0 {
			continue // an image or the like
		}
		found = append(found, private(f, data, hosts)...)
	}
	return found, nil
}

// isSource reports whether a file is Go code that is not a test.
func isSource(f string) bool {
	return strings.HasSuffix(f, ".go") && !strings.HasSuffix(f, "_test.go")
}

// private finds machine paths and private hosts in a text file.
func private(name string, data []byte, hosts []string) []string {
	var found []string
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if m := machinePath.Find(line); m != nil {
			found = append(found, fmt.Sprintf("%s:%d: %q is a path of one machine", name, n, m))
		}
		for _, h := range hosts {
			if bytes.Contains(line, []byte(h)) {
				found = append(found, fmt.Sprintf("%s:%d: names a package registry of this machine", name, n))
			}
		}
	}
	return found
}

// lean finds packages that must stay small at start-up and yet depend on a heavy
// one, on any path. Only the build for Linux matters: there they start workers.
func lean(files []string) ([]string, error) {
	var found []string
	for _, dir := range leanPackages {
		if !slices.ContainsFunc(files, func(f string) bool { return isSource(f) && filepath.ToSlash(filepath.Dir(f)) == dir }) {
			continue
		}
		cmd := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}", "./"+dir)
		cmd.Env = append(os.Environ(), "GOOS=linux")
		out, err := cmd.Output()
		if err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				return nil, fmt.Errorf("go list -deps ./%s: %s", dir, bytes.TrimSpace(exit.Stderr))
			}
			return nil, fmt.Errorf("go list -deps ./%s: %w", dir, err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if slices.ContainsFunc(heavyPackages, func(h string) bool { return below(dep, h) }) {
				found = append(found, fmt.Sprintf("%s: depends on %s; workers initialise this package before their first task (go list -deps ./%s)", dir, dep, dir))
			}
		}
	}
	return found, nil
}
