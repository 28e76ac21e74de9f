package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	// link matches the target of a Markdown link or picture.
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// mention matches a source file's path in backquotes: `results/reader.go`.
	mention = regexp.MustCompile("`((?:[\\w.-]+/)+[\\w.-]+\\.(?:go|md|ya?ml|py))`")
	// scheme begins a link that leaves the tree.
	scheme = regexp.MustCompile(`^[a-z]+:`)
)

// links finds relative links in Markdown files, and source files named in them,
// that are not there: pages that explain the code go stale at such places first.
func links(files []string) ([]string, error) {
	var found []string
	there := func(name string) bool {
		return slices.ContainsFunc(files, func(f string) bool { return below(f, name) })
	}
	for _, f := range files {
		if !strings.HasSuffix(f, ".md") || strings.Contains(f, "/testdata/") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		n := 0
		code := false // in a fenced block, where an index and a call look like a link
		for line := range bytes.Lines(data) {
			n++
			if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("```")) {
				code = !code
			}
			if code {
				continue
			}
			for _, m := range link.FindAllSubmatch(line, -1) {
				target, _, _ := strings.Cut(string(m[1]), "#")
				if target == "" || scheme.MatchString(target) {
					continue
				}
				if !there(path.Join(path.Dir(f), target)) {
					found = append(found, fmt.Sprintf("%s:%d: links to %s, which is not there", f, n, target))
				}
			}
			for _, m := range mention.FindAllSubmatch(line, -1) {
				name := string(m[1])
				// A path is meant from the top, or from where the page is.
				if strings.HasPrefix(name, "github.com/") || there(name) || there(path.Join(path.Dir(f), name)) {
					continue
				}
				found = append(found, fmt.Sprintf("%s:%d: names the file %s, which is not there", f, n, name))
			}
		}
	}
	return found, nil
}
