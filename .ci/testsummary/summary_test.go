package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tests is a package with every way a test can end.
const tests = `package sample

import "testing"

func TestPass(t *testing.T) {}

func TestSkip(t *testing.T) { t.Skip("needs the command moon on PATH") }

func TestSubs(t *testing.T) {
	t.Run("a/b", func(t *testing.T) {})
	t.Run("skipped", func(t *testing.T) { t.Log("a detail"); t.Skip("needs the command moon on PATH") })
	t.Run("silent", func(t *testing.T) { t.SkipNow() })
	t.Run("empty", func(t *testing.T) { t.Skip() })
}
`

const apart = `package sample

import "testing"

func TestPass(t *testing.T) {}

func TestApart(t *testing.T) { t.Skip("does not apply: it has no workers") }
`

const failures = `package sample

import "testing"

func TestFail(t *testing.T) { t.Error("one and one is three") }

func TestSubFail(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("deep trouble") })
}

func TestOwnFail(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Error("after the subtest")
}
`

const crash = `package sample

import "testing"

func TestCrash(t *testing.T) { panic("no way back") }

func TestNever(t *testing.T) {}
`

const exits = `package sample

import ("os"; "testing")

func TestMain(m *testing.M) { m.Run(); os.Exit(3) }

func TestPass(t *testing.T) {}
`

const broken = `package sample

func broken() { return 1 }
`

func TestRun(t *testing.T) {
	tests := []struct {
		name, source, require string
		code                  int
		last                  string
		has                   []string
	}{
		{"good", tests, "", 0, "2 passed, 0 failed, 4 skipped",
			[]string{"needs the command moon on PATH\n      sample.TestSkip\n      sample.TestSubs/skipped\n", "no reason given\n      sample.TestSubs/silent\n      sample.TestSubs/empty\n"}},
		{"skips required", tests, "1", 1, "2 passed, 0 failed, 4 skipped", []string{"does not allow"}},
		{"tests that do not apply", apart, "1", 0, "1 passed, 0 failed, 0 skipped", []string{"Not counted: 1 test"}},
		{"failures", failures, "", 1, "2 passed, 3 failed, 0 skipped",
			[]string{"one and one is three", "deep trouble", "Failed:\n  sample.TestFail\n  sample.TestSubFail/bad\n  sample.TestOwnFail\n"}},
		{"panic", crash, "", 1, "0 passed, 1 failed, 0 skipped", []string{"no way back"}},
		{"exit outside a test", exits, "", 1, "1 passed, 1 failed, 0 skipped", []string{"Failed:\n  sample\n"}},
		{"does not compile", broken, "", 1, "0 passed, 1 failed, 0 skipped", []string{"too many return values"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module sample\n\ngo 1.26\n")
			write(t, filepath.Join(dir, "sample_test.go"), tt.source)
			t.Chdir(dir)
			t.Setenv("PARBENCH_REQUIRE_ALL", tt.require)
			var out, errs strings.Builder
			if code := run([]string{"./..."}, &out, &errs); code != tt.code {
				t.Errorf("exit status %d, want %d", code, tt.code)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if got := lines[len(lines)-1]; got != tt.last {
				t.Errorf("last line %q, want %q", got, tt.last)
			}
			for _, want := range tt.has {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q", want)
				}
			}
			if t.Failed() {
				t.Logf("output:\n%s\nerrors:\n%s", out.String(), errs.String())
			}
		})
	}
}

// Go test can fail without any event, for instance on a pattern that matches
// nothing; that must not look like a good run.
func TestFinishWithoutEvents(t *testing.T) {
	var out strings.Builder
	s := newSummary(&out)
	if err := s.read(strings.NewReader("pattern ./nowhere: no such directory\n")); err != nil {
		t.Fatal(err)
	}
	if s.finish(false, errors.New("exit status 1")) {
		t.Error("a run whose go test failed counts as good")
	}
	if !strings.Contains(out.String(), "./nowhere") || !strings.HasSuffix(out.String(), "\n0 passed, 1 failed, 0 skipped\n") {
		t.Errorf("output:\n%s", out.String())
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
