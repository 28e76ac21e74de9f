// Command testsummary runs "go test -json" with the arguments it is given and
// prints what a person wants to know: a line per package, the output of what
// failed, everything that was skipped with its reason, and as its last line
//
//	N passed, N failed, N skipped
//
// Its exit status is 0 only when nothing failed. With PARBENCH_REQUIRE_ALL=1
// every skip makes the run fail. A skip whose reason begins with "does not apply: "
// is none: nothing is missing.
//
// A test with subtests is not counted itself; its subtests are. It counts when
// it failed though none of its subtests did.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs go test and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Fprintln(stderr, "testsummary:", err)
		return 2
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, "testsummary: go test cannot be started:", err)
		return 2
	}
	s := newSummary(stdout)
	readErr := s.read(pipe)
	if readErr != nil {
		// What go test still has to say must not block it.
		_, _ = io.Copy(io.Discard, pipe)
		fmt.Fprintln(stderr, "testsummary: reading the output of go test:", readErr)
	}
	testErr := cmd.Wait()
	ok := s.finish(os.Getenv("PARBENCH_REQUIRE_ALL") == "1", testErr)
	if readErr != nil || testErr != nil || !ok {
		return 1
	}
	return 0
}
