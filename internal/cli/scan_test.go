package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewriteArgs(t *testing.T) {
	for in, want := range map[string]string{
		"run -P threads 1 8 --cmd x":              "run --parameter-scan threads=1..8 --cmd x",
		"run -P d 0.5 2 -D 0.5 -q":                "run --parameter-scan d=0.5..2+0.5 -q",
		"run -P a=1..3 -D 2":                      "run -P a=1..3+2",
		"run -P primes.limit=1..9*2":              "run -P primes.limit=1..9*2",
		"run -P x -5 5":                           "run --parameter-scan x=-5..5",
		"run -L compiler gcc,clang -L pool.x=1":   "run --parameter-list compiler=gcc,clang -L pool.x=1",
		"run --shell bash -i 1,2 --shell --cmd x": "run --shell=bash --ignore-failure=1,2 --shell --cmd x",
		"-q --color run run -P a 1 2":             "-q --color run run --parameter-scan a=1..2",
		"--color=never -v compare run -P a 1 2":   "--color=never -v compare run -P a 1 2",
		"compare -P a 1 2":                        "compare -P a 1 2",
		"run -- -P a 1 2":                         "run -- -P a 1 2",
	} {
		got, err := rewriteArgs(strings.Fields(in))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"run -P threads 1":     "-P NAME MIN MAX",
		"run -P threads 1 -o":  "-P NAME MIN MAX",
		"run -L x":             "-L NAME VALUES",
		"run -D 2":             "the step of the -P before it",
		"run -P a=1..2+1 -D 2": "the step of the -P before it",
		"run -P a 1 2 -D":      "the step of the -P before it",
	} {
		if got, err := rewriteArgs(strings.Fields(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestCommandScan(t *testing.T) {
	for in, want := range map[string]string{
		"1..4":         "1 2 3 4",
		"0.1..0.3+0.1": "0.1 0.2 0.3", // not what floating point would make of it
		"1..2+0.25":    "1.00 1.25 1.50 1.75 2.00",
		"-1..1":        "-1 0 1",
		"3..3":         "3",
		"1..20*3":      "1 3 9",
		"0.5..3*2":     "0.5 1 2",
		"1..2.9":       "1 2",
	} {
		got, err := commandScan(in, in)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"8..1": "ends before", "1..2+0": "greater than 0", "1..2+-1": "greater than 0", "1..2*1": "greater than 1", "0..8*2": "greater than 0",
		"1": "no bounds", "a..b": "not a number", "1..1e9": "not a number", "1..": "not a number", "0..1000": "more than 1000",
	} {
		if got, err := commandScan(in, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestSplitList(t *testing.T) {
	for in, want := range map[string][]string{`a,b`: {"a", "b"}, `a\,b,c`: {"a,b", "c"}, `a\b`: {`a\b`}, ``: {""}, `a,`: {"a", ""}} {
		if diff := cmp.Diff(want, splitList(in)); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
		if back := splitList(joinList(want)); cmp.Diff(want, back) != "" {
			t.Errorf("%q comes back as %q", want, back)
		}
	}
}
