package comparison

import (
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/codec"
)

// TestLibraries: two versions of a pool are told apart, in two files and in two programs of one.
func TestLibraries(t *testing.T) {
	const old, now = "example.com/pool v1.0.0", "example.com/pool v1.1.0"
	for name, c := range map[string]struct {
		base, head string
		severity   analysis.Severity
		want       string // in the warning; empty: there is none
	}{
		"another version":   {old, now, analysis.Warn, "pool (" + old + " and " + now + ")"},
		"the same":          {old, old, 0, ""},
		"none":              {"", "", 0, ""},
		"base does not say": {"", now, analysis.Note, "does not say which version of its library it has: pool"},
		"head does not say": {old, "", analysis.Note, "does not say"},
	} {
		check := func(how string, list []analysis.Warning) {
			t.Helper()
			i := slices.IndexFunc(list, func(w analysis.Warning) bool { return w.Code == CodeLibrary })
			switch {
			case i < 0 && c.want == "":
			case i < 0:
				t.Errorf("%s, %s: no warning among %+v", name, how, list)
			case c.want == "" || list[i].Severity != c.severity || !strings.Contains(list[i].Text, c.want):
				t.Errorf("%s, %s: %+v", name, how, list[i])
			}
		}
		file := func(seed uint64, library string) *codec.Suite {
			s := realistic(t, seed, nothing)
			if p := &s.Run.Header.Environment.Programs[0]; library != "" {
				p.Libraries = map[string]string{"pool": library, "elsewhere": "a library that one side alone has " + library}
			}
			return s
		}
		rep, err := Files(file(1, c.base), file(2, c.head), "x", "y", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rep.Warnings { // a strategy that the plan lacks is not named
			if c.base == "" && strings.Contains(rep.Warnings[i].Text, "elsewhere") {
				t.Errorf("%s: %q", name, rep.Warnings[i].Text)
			}
		}
		check("files", rep.Warnings)

		spec := runtest.RealisticSpec()
		var whole []runtest.Workload
		for _, w := range spec.Workloads[:1] {
			head := w
			head.Cells = slices.Clone(w.Cells)
			for k := range w.Cells {
				w.Cells[k].Program, head.Cells[k].Program = "base", "head"
				head.Cells[k].Reference = w.Cells[k].Reference
			}
			w.Cells = append(w.Cells, head.Cells...)
			whole = append(whole, w)
		}
		spec.Workloads = whole
		run := runtest.Build(spec)
		run.Header.Environment.Programs = []results.Program{{Label: "base"}, {Label: "head"}}
		for i, l := range []string{c.base, c.head} {
			if l != "" {
				run.Header.Environment.Programs[i].Libraries = map[string]string{"pool": l}
			}
		}
		s, err := codec.FromRun(run)
		if err != nil {
			t.Fatal(err)
		}
		if rep, err = Programs(s, "base", "head", Options{}); err != nil {
			t.Fatal(err)
		}
		check("programs", rep.Warnings)
	}
}
