package analysis_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

func TestAnyRunGivesASoundReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := runtest.Random(t, rapid.StringMatching(`[a-z]{0,6}`))
		rep, err := analysis.Analyse(run, analysis.Options{Level: rapid.SampledFrom([]float64{0, .5, .9, .99}).Draw(t, "level")})
		if err != nil {
			t.Fatal(err)
		}
		finiteEverywhere(t, "report", reflect.ValueOf(*rep))
		used := 0
		for _, tab := range rep.Tables {
			if tab.Finding == "" {
				t.Fatal("a table without a finding")
			}
			soundTable(t, &tab)
			for _, r := range tab.Rows {
				used += r.OK
			}
		}
		if used > rep.Used {
			t.Fatalf("rows used %d trials, the report says %d", used, rep.Used)
		}
		again, err := analysis.Analyse(run, analysis.Options{Level: rep.Level})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rep, again, cmpopts.IgnoreFields(analysis.Report{}, "Run")); d != "" {
			t.Fatalf("the same run gave two reports:\n%s", d)
		}
	})
}

// finiteEverywhere walks all values that a report holds, except the run itself.
func finiteEverywhere(t *rapid.T, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			t.Fatalf("%s is %v", path, f)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[results.PlanEntry]() {
			return // as the file has it
		}
		for i := range v.NumField() {
			finiteEverywhere(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			finiteEverywhere(t, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*results.Run]() {
			finiteEverywhere(t, path, v.Elem())
		}
	}
}

func soundTable(t *rapid.T, tab *analysis.Table) {
	for i := range tab.Rows {
		r := &tab.Rows[i]
		for _, iv := range []analysis.Interval{r.PerTask, r.PerBatch, r.Speedup, r.Efficiency, r.VsSelf, r.VsBest, r.CPUPerWall, r.Setup, r.Overhead} {
			if iv.Has() && !(iv.Lo <= iv.Point && iv.Point <= iv.Hi) {
				t.Fatalf("%s: interval %+v is out of order", r.Name, iv)
			}
			if !iv.Has() && (iv.Lo != iv.Point || iv.Hi != iv.Point) {
				t.Fatalf("%s: an estimate without an interval has bounds: %+v", r.Name, iv)
			}
		}
		if len(r.Observations) != r.OK {
			t.Fatalf("%s: %d observations of %d used trials", r.Name, len(r.Observations), r.OK)
		}
		if tab.Entry.OwnN && (r.Speedup.N > 0 || tab.Winner != nil) {
			t.Fatalf("%s: a probe with its own n is compared", r.Name)
		}
	}
	w := tab.Winner
	if w == nil {
		return
	}
	if w.Set[0] != w.Best || w.Has(w.Next) {
		t.Fatalf("winner %+v", w)
	}
	for _, i := range w.Set {
		if r := &tab.Rows[i]; r.HasFailed() || r.OK == 0 {
			t.Fatalf("%s won with %d failed and %d used trials", r.Name, r.Failed, r.OK)
		}
	}
	for _, i := range w.Undecided {
		if !w.Has(i) || i == w.Best || w.Need < 1 {
			t.Fatalf("undecided %v of the set %v, need %d", w.Undecided, w.Set, w.Need)
		}
	}
	if !w.Decided() && w.Next >= 0 {
		t.Fatalf("decided below the floor: %+v", w)
	}
}
