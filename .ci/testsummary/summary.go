package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// event is one line of "go test -json" (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of build-output and build-fail
	FailedBuild                   string // of a package's fail
}

// key names a test; an empty test is the package itself.
type key struct{ pkg, test string }

// summary collects the events of a test run.
type summary struct {
	out      io.Writer
	output   map[key][]string    // until the package ends
	builds   map[string][]string // output of the compiler
	ended    map[key]string      // pass, fail or skip
	parents  map[key]bool        // tests that have subtests
	order    map[string][]key    // tests of a package in the order they began
	skipped  map[string][]string // names by reason
	passed   int
	failed   []string
	nSkipped int
	nApart   int // tests that do not apply to what they were run against
}

func newSummary(out io.Writer) *summary {
	return &summary{
		out:     out,
		output:  map[key][]string{},
		builds:  map[string][]string{},
		ended:   map[key]string{},
		parents: map[key]bool{},
		order:   map[string][]key{},
		skipped: map[string][]string{},
	}
}

// read takes events until the end of r. A line that is no event is printed as it
// is: go test writes some of its complaints as plain text.
func (s *summary) read(r io.Reader) error {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				fmt.Fprintln(s.out, strings.TrimRight(string(line), "\n"))
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
	case "run":
		s.order[e.Package] = append(s.order[e.Package], k)
		for _, above := range ancestors(e.Test) {
			s.parents[key{e.Package, above}] = true
		}
	case "output":
		s.output[k] = append(s.output[k], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.ended[k] = e.Action
		}
	}
}

// endPackage counts the tests of a package, prints its line, and the output of
// what failed in it.
func (s *summary) endPackage(e event) {
	short := shorten(e.Package)
	before := len(s.failed)
	failedBelow := map[key]bool{}
	tests := s.order[e.Package]
	for _, k := range tests {
		if s.how(k) != "fail" {
			continue
		}
		for _, above := range ancestors(k.test) {
			failedBelow[key{k.pkg, above}] = true
		}
	}
	for _, k := range tests {
		how := s.how(k)
		switch {
		case how == "fail" && !failedBelow[k]:
			s.failed = append(s.failed, short+"."+k.test)
		case s.parents[k]:
		case how == "pass":
			s.passed++
		case how == "skip":
			reason := reasonOf(s.output[k])
			if strings.HasPrefix(reason, inapplicable) {
				s.nApart++
				continue
			}
			s.nSkipped++
			s.skipped[reason] = append(s.skipped[reason], short+"."+k.test)
		}
	}
	switch e.Action {
	case "fail":
		s.printFailure(e, tests)
		if len(s.failed) == before {
			s.failed = append(s.failed, short) // it did not compile, or failed outside a test
		}
	case "pass":
		for _, line := range s.output[key{pkg: e.Package}] {
			if strings.HasPrefix(line, "ok ") {
				fmt.Fprint(s.out, line)
			}
		}
	}
	for _, k := range tests {
		delete(s.output, k)
	}
	delete(s.output, key{pkg: e.Package})
}

// ancestors returns what a test's name could be below. A subtest's own name may
// hold slashes, so that not all of them need be tests.
func ancestors(test string) []string {
	var out []string
	for i, c := range test {
		if c == '/' {
			out = append(out, test[:i])
		}
	}
	return out
}

// how says how a test of an ended package ended.
func (s *summary) how(k key) string {
	if how := s.ended[k]; how != "" {
		return how
	}
	return "fail" // it was running when the test binary ended
}

// printFailure prints what a failed package has said, without its passed tests.
func (s *summary) printFailure(e event, tests []key) {
	for _, line := range s.builds[e.FailedBuild] {
		fmt.Fprint(s.out, line)
	}
	for _, k := range tests {
		if s.how(k) != "fail" {
			continue
		}
		for _, line := range s.output[k] {
			fmt.Fprint(s.out, line)
		}
	}
	for _, line := range s.output[key{pkg: e.Package}] {
		fmt.Fprint(s.out, line)
	}
}

// finish prints the skips, the failures and the closing line. It reports whether
// the run counts as good. testErr is what go test itself returned: it may fail
// before any package does.
func (s *summary) finish(requireAll bool, testErr error) bool {
	var exit *exec.ExitError
	if testErr != nil && len(s.failed) == 0 {
		what := "go test: " + testErr.Error()
		if errors.As(testErr, &exit) {
			what = "go test ended with an error before any test failed (see above)"
		}
		s.failed = append(s.failed, what)
	}
	if len(s.skipped) > 0 {
		title := "Skipped:"
		if requireAll {
			title = "Skipped, which PARBENCH_REQUIRE_ALL=1 does not allow:"
		}
		fmt.Fprintf(s.out, "\n%s\n", title)
		reasons := make([]string, 0, len(s.skipped))
		for r := range s.skipped {
			reasons = append(reasons, r)
		}
		slices.Sort(reasons)
		for _, r := range reasons {
			fmt.Fprintf(s.out, "  %s\n", r)
			for _, name := range s.skipped[r] {
				fmt.Fprintf(s.out, "      %s\n", name)
			}
		}
	}
	if s.nApart > 0 {
		fmt.Fprintf(s.out, "\nNot counted: %d tests that do not apply to what they were run against\n", s.nApart)
	}
	if len(s.failed) > 0 {
		fmt.Fprintf(s.out, "\nFailed:\n")
		for _, name := range s.failed {
			fmt.Fprintf(s.out, "  %s\n", name)
		}
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", s.passed, len(s.failed), s.nSkipped)
	return len(s.failed) == 0 && (!requireAll || s.nSkipped == 0)
}

// inapplicable begins the reason of a test that has no meaning for its subject,
// such as "worker processes" for a strategy without any: internal/testenv.
const inapplicable = "does not apply: "

// message matches what t.Log, t.Skip and their like print.
var message = regexp.MustCompile(`^\s*\S+\.go:\d+: (.*\S)`)

// reasonOf returns the last message in a skipped test's output.
func reasonOf(output []string) string {
	for _, line := range slices.Backward(output) {
		if m := message.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			return m[1]
		}
	}
	return "no reason given"
}

// shorten drops the module's path from a package's.
func shorten(pkg string) string {
	const module = "github.com/parbench/parbench"
	if pkg == module {
		return "parbench"
	}
	return strings.TrimPrefix(pkg, module+"/")
}
