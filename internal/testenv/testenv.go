// Package testenv says what a test needs from the machine it runs on, and skips
// the test when that is not there.
//
// A skip always names what is missing and how to get it, and starts with Prefix,
// so that the summary at the end of "make test" can list every one of them. With
// PARBENCH_REQUIRE_ALL=1 in the environment a missing thing fails the test
// instead: that is how continuous integration makes sure that nothing is
// silently left untested.
//
// A test that has no meaning for what it is run against, such as a worker process
// of a strategy that has none, says so with DoesNotApply instead: nothing is
// missing, and nothing fails.
//
// It is imported by tests only.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// RequireAll is the environment variable that turns skips into failures when it
// is set to 1.
const RequireAll = "PARBENCH_REQUIRE_ALL"

// Prefix begins the message of every skip made here; the test summary looks for
// it.
const Prefix = "needs "

// Inapplicable begins the message of DoesNotApply; the test summary counts such
// tests apart.
const Inapplicable = "does not apply: "

// packages names the Debian package of a command where the two differ.
var packages = map[string]string{
	"rsvg-convert": "librsvg2-bin",
	"cc":           "gcc",
	"taskset":      "util-linux",
	"prlimit":      "util-linux",
	"mount":        "mount",
	"pgrep":        "procps",
	"ps":           "procps",
	"kill":         "procps",
	"benchstat":    "",
}

// Need skips the test unless ok. The sentence in what follows the word "needs":
// it names what is missing and, where there is one, the remedy, for instance
// "two usable CPUs" or "cgroup v2 mounted at /sys/fs/cgroup (run as root)". With
// PARBENCH_REQUIRE_ALL=1 the test fails instead.
func Need(t testing.TB, what string, ok bool) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv(RequireAll) == "1" {
		t.Fatalf("%s%s; %s=1 turns this skip into a failure", Prefix, what, RequireAll)
	}
	t.Skip(Prefix + what)
}

// NeedCommand skips the test unless the command is found on PATH, and returns
// its path. The message names the package to install. With
// PARBENCH_REQUIRE_ALL=1 the test fails instead.
func NeedCommand(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Need(t, "the command "+name+" on PATH ("+install(name)+")", err == nil)
	return path
}

// DoesNotApply ends a test that has no meaning here, because of what it tests and
// not of where it runs. Whatever the environment says, that is no failure.
func DoesNotApply(t testing.TB, why string) {
	t.Helper()
	t.Skip(Inapplicable + why)
}

// install returns the remedy for a missing command.
func install(name string) string {
	pkg, listed := packages[name]
	switch {
	case !listed:
		pkg = name
	case pkg == "":
		return "go install golang.org/x/perf/cmd/" + name + "@latest"
	}
	return "Debian: apt-get install " + pkg
}
