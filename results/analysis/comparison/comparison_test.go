package comparison

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/codec"
	"github.com/parbench/parbench/results/stat"
)

var lower = Kind{Metric: "time", Unit: "s", Better: codec.Lower}

// draw returns n values around level with that deviation of their logarithm.
func draw(rng *rand.Rand, n int, level, noise float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = level * math.Exp(noise*rng.NormFloat64())
	}
	return x
}

func judge(t *testing.T, kind Kind, opt Options, s ...Subject) Family {
	t.Helper()
	f, err := Judge(kind, s, opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestVerdicts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	base := draw(rng, 12, 1, .004)
	slower, faster, alike := draw(rng, 12, 1.05, .004), draw(rng, 12, .95, .004), draw(rng, 12, 1.001, .004)
	wild := draw(rng, 12, 1.01, .2)
	higher, unknown := lower, lower
	higher.Better, unknown.Better = codec.Higher, codec.Unknown
	for _, c := range []struct {
		name string
		kind Kind
		head []float64
		want Verdict
	}{
		{"slower", lower, slower, Regressed}, {"faster", lower, faster, Improved}, {"alike", lower, alike, Equivalent}, {"wild", lower, wild, Inconclusive},
		{"more is better", higher, slower, Improved}, {"less is worse", higher, faster, Regressed}, {"no direction", unknown, slower, Differs},
	} {
		for _, paired := range []bool{false, true} {
			f := judge(t, c.kind, Options{}, Subject{Name: c.name, Base: base, Head: c.head, Paired: paired})
			if got := f.Rows[0].Verdict; got != c.want {
				t.Errorf("%s, paired %v: %s, want %s (%+v)", c.name, paired, got, c.want, f.Rows[0])
			}
		}
	}
}

// A significant change below the smallest that matters is no regression, and no equivalence where it may be beyond.
func TestSmallChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	s := Subject{Base: draw(rng, 40, 1, .002), Head: draw(rng, 40, 1.01, .002)}
	if r := judge(t, lower, Options{}, s).Rows[0]; r.Verdict != Equivalent || r.Q > .001 {
		t.Errorf("1 %% with q %v is %s, want equivalent within 2 %%", r.Q, r.Verdict)
	}
	if r := judge(t, lower, Options{MinEffect: .005}, s).Rows[0]; r.Verdict != Regressed {
		t.Errorf("1 %% is %s, want regressed where 0.5 %% matters", r.Verdict)
	}
	if r := judge(t, lower, Options{MinEffect: .01}, Subject{Base: s.Base, Head: draw(rng, 40, 1.0099, .002)}).Rows[0]; r.Verdict == Equivalent {
		t.Error("a change of about the threshold is called equivalent")
	}
}

// Too few samples cannot decide anything, whatever the values: the floor of docs/compare.md.
func TestFloor(t *testing.T) {
	apart := func(n int, name string) Subject {
		s := Subject{Name: name}
		for i := range n {
			s.Base, s.Head = append(s.Base, 1+float64(i)/1e3), append(s.Head, 9+float64(i)/1e3)
		}
		return s
	}
	for _, c := range []struct{ rows, n, floor int }{{1, 3, 4}, {1, 4, 4}, {14, 5, 6}, {14, 6, 6}, {56, 6, 7}, {168, 8, 8}} {
		var list []Subject
		for i := range c.rows {
			list = append(list, apart(c.n, fmt.Sprint(i)))
		}
		f := judge(t, lower, Options{}, list...)
		if f.Floor != c.floor {
			t.Errorf("%d rows: floor %d, want %d", c.rows, f.Floor, c.floor)
		}
		for _, r := range f.Rows {
			want := Regressed
			if c.n < c.floor {
				want = Inconclusive
			}
			if r.Verdict != want || (r.Undecidable != "") != (c.n < c.floor) || (c.n < c.floor) != (r.Need == c.floor) {
				t.Fatalf("%d rows of %d: %+v", c.rows, c.n, r)
			}
		}
	}
	// Rows that cannot be decided do not cost the others their decision.
	var list []Subject
	for i := range 100 {
		list = append(list, apart(1, fmt.Sprint(i)))
	}
	f := judge(t, lower, Options{}, append(list, apart(5, "enough"))...)
	if r := f.Rows[100]; f.Tests != 1 || r.Verdict != Regressed {
		t.Errorf("%d tests, %+v", f.Tests, r)
	}
	if p, err := stat.MannWhitney(apart(5, "").Base, apart(5, "").Head); err != nil || math.Abs(p-smallest(&f.Rows[100])) > 1e-12 {
		t.Errorf("the smallest p is %v, said to be %v (%v)", p, smallest(&f.Rows[100]), err)
	}
	if got := smallest(&Row{Base: Side{N: 4}, Head: Side{N: 9}}); math.Abs(got-2.0/715) > 1e-15 {
		t.Errorf("4 and 9 samples: %v, want 2/C(13, 4)", got)
	}
}

func TestExactAndZero(t *testing.T) {
	same := []float64{3, 3, 3}
	for _, c := range []struct {
		name       string
		base, head []float64
		exact      bool
		want       Verdict
		why        string
	}{
		{"exact and equal", same, same, true, Equivalent, ""},
		{"exact and more", same, []float64{4}, true, Regressed, ""},
		{"exact from zero", []float64{0}, []float64{2, 2}, true, Regressed, ""},
		{"exact zero", []float64{0}, []float64{0}, true, Equivalent, ""},
		{"not as exact as said", same, []float64{3, 4}, true, Inconclusive, "declared to repeat exactly"},
		{"zeros", []float64{0, 0, 0, 0}, []float64{0, 0, 0, 0, 0}, false, Equivalent, ""},
		{"few zeros", []float64{0, 0, 0}, []float64{0, 0, 0, 0, 0}, false, Inconclusive, "zero or below"},
		{"zero", []float64{0, 1, 2, 3}, []float64{1, 2, 3, 4}, false, Inconclusive, "zero or below"},
		{"nothing", nil, same, false, Inconclusive, "no usable value"},
		{"huge", []float64{1e-300, 1e-300, 1e-300, 1e-300}, []float64{1e300, 1e300, 1e300, 1e300}, false, Inconclusive, "too far apart"},
	} {
		r := judge(t, lower, Options{}, Subject{Name: c.name, Base: c.base, Head: c.head, Exact: c.exact}).Rows[0]
		if r.Verdict != c.want || !strings.Contains(r.Undecidable, c.why) || c.why == "" && r.Undecidable != "" {
			t.Errorf("%s: %s (%s)", c.name, r.Verdict, r.Undecidable)
		}
	}
}

// TestFalseFindings: with identical sides a family has a finding in at most 5 % of cases; its rows are equivalent or
// inconclusive.
func TestFalseFindings(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	const families = 200
	for _, paired := range []bool{false, true} {
		wrong := 0
		for range families {
			var list []Subject
			for range 10 {
				list = append(list, Subject{Base: draw(rng, 12, 1, .02), Head: draw(rng, 12, 1, .02), Paired: paired})
			}
			f := judge(t, lower, Options{MinEffect: 1e-6}, list...)
			if f.Count(Regressed)+f.Count(Improved) > 0 {
				wrong++
			}
		}
		if wrong > 19 { // 5 % of 200, and three deviations of a binomial count
			t.Errorf("paired %v: %d of %d families of identical sides have a finding", paired, wrong, families)
		}
	}
}

// TestDetectable: a difference of the size that is said to be detectable is found in about 80 % of cases.
func TestDetectable(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	const n, runs = 20, 1000
	size := judge(t, lower, Options{}, Subject{Base: ladder(n), Head: ladder(n)}).Rows[0].Detectable
	sd := deviation(logs(ladder(n)))
	found := 0
	for range runs {
		f := judge(t, lower, Options{MinEffect: 1e-6}, Subject{Base: draw(rng, n, 1, sd), Head: draw(rng, n, 1+size, sd)})
		found += f.Count(Regressed)
	}
	if found < 730 || found > 850 { // the rank test has a little less power than the t test it is computed for
		t.Errorf("a difference of %.2f %% was found in %d of %d runs, want about 80 %%", size*100, found, runs)
	}
}

// ladder is a sample of normal quantiles, in place of chance.
func ladder(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = math.Exp(.01 * math.Sqrt2 * math.Erfinv(2*(float64(i)+.5)/float64(n)-1))
	}
	return x
}

func TestGeomean(t *testing.T) {
	a := Subject{Name: "a", Base: []float64{1, 1, 1, 1, 1, 1}, Head: []float64{2, 2.1, 2.2, 1.9, 1.8, 2}, Paired: true}
	b := Subject{Name: "b", Base: []float64{1, 1, 1, 1, 1, 1}, Head: []float64{.5, .55, .45, .5, .52, .48}, Paired: true}
	f := judge(t, lower, Options{}, a, b)
	if f.GeomeanOver != These || f.Geomean.N != 2 || math.Abs(f.Geomean.Point-1) > .03 || !f.Geomean.Has() {
		t.Errorf("paired: %+v over %s", f.Geomean, f.GeomeanOver)
	}
	b.Rounds = []int{0, 1, 2, 3, 4, 6} // other rounds than a's
	if f := judge(t, lower, Options{}, a, b); f.GeomeanOver != Others {
		t.Errorf("rows of unlike rounds are averaged round by round")
	}
	b.Unequal = "32 and 64 tasks"
	if f := judge(t, lower, Options{}, a, b); f.Geomean.N != 0 {
		t.Errorf("unequal work has a part in the geometric mean: %+v", f.Geomean)
	}
}

// TestNumbersAreFinite judges whatever values there are.
func TestNumbersAreFinite(t *testing.T) {
	value := rapid.OneOf(rapid.Float64Range(1e-9, 1e3), rapid.SampledFrom([]float64{0, -1, 1, 1, 1, 1e-300, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64}))
	rapid.Check(t, func(t *rapid.T) {
		var list []Subject
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			s := Subject{Name: rapid.String().Draw(t, "name"), Exact: rapid.Bool().Draw(t, "exact"), Paired: rapid.Bool().Draw(t, "paired")}
			s.Base = rapid.SliceOfN(value, 0, 15).Draw(t, "base")
			s.Head = rapid.SliceOfN(value, 0, 15).Draw(t, "head")
			if s.Paired {
				n := min(len(s.Base), len(s.Head))
				s.Base, s.Head = s.Base[:n], s.Head[:n]
			}
			list = append(list, s)
		}
		f, err := Judge(lower, list, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(f); err != nil { // refuses what is not finite
			t.Fatal(err)
		}
		for _, r := range f.Rows {
			if r.P < 0 || r.P > 1 || r.Q < r.P || r.Q > 1 || r.Verdict == "" || r.Detectable < 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Alpha: .5}, {Alpha: -1}, {MinEffect: 1}, {MinEffect: math.NaN()}, {Confidence: 1}, {Confidence: .2}} {
		if _, err := Judge(lower, nil, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if _, err := Judge(lower, []Subject{{Paired: true, Base: []float64{1}}}, Options{}); err == nil {
		t.Error("pairs of unequal length are accepted")
	}
}

// suite is a file with one series for each name, whose values lie around level.
func suite(level float64, names ...string) *codec.Suite {
	s := &codec.Suite{Tool: codec.Hyperfine, Env: map[string]string{"os": "linux"}}
	for k, n := range names {
		x := codec.Series{Name: n, Metric: "time", Unit: "s", Better: codec.Lower, Work: 8, Digest: "aa", Params: map[string]string{"size": "1"}}
		for i := range 8 {
			x.Samples = append(x.Samples, codec.Sample{Value: level * (1 + float64(k)) * (1 + float64(i)/1e4)})
		}
		s.Series = append(s.Series, x)
	}
	return s
}

func codes(r *Report) (out []string) {
	for _, w := range r.Warnings {
		out = append(out, w.Code)
	}
	return out
}

func TestFiles(t *testing.T) {
	base, head := suite(1, "a", "b", "gone"), suite(1.05, "a", "b", "new")
	head.Env = map[string]string{"os": "plan9", "arch": "mips"}
	rep, err := Files(base, head, "x", "y", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Count(Regressed) != 2 || rep.Paired || !slices.Contains(codes(rep), CodeDrift) || !slices.Contains(codes(rep), CodeEnvironment) {
		t.Errorf("%s %v", rep.Finding, codes(rep))
	}
	if len(rep.OnlyBase) != 1 || rep.OnlyBase[0].Name != "gone" || len(rep.OnlyHead) != 1 || rep.OnlyHead[0].Name != "new" {
		t.Errorf("only base %v, only head %v", rep.OnlyBase, rep.OnlyHead)
	}
	want := []Difference{{"arch", "", "mips"}, {"os", "linux", "plan9"}}
	if !reflect.DeepEqual(rep.Environment, want) {
		t.Errorf("environment %v, want %v", rep.Environment, want)
	}
	if !strings.Contains(rep.Finding, "Not protected against drift") {
		t.Error(rep.Finding)
	}
}

func TestUnequalWork(t *testing.T) {
	for name, change := range map[string]func(*codec.Series){
		"tasks":      func(s *codec.Series) { s.Work = 16 },
		"parameters": func(s *codec.Series) { s.Params = map[string]string{"size": "2"} },
		"unit":       func(s *codec.Series) { s.Unit = "s/op" },
	} {
		base, head := suite(1, "a", "b"), suite(1, "a", "b")
		change(&head.Series[1])
		_, err := Files(base, head, "x", "y", Options{})
		u, ok := errors.AsType[*UnequalWorkError](err)
		if !ok || len(u.Rows) != 1 || !strings.HasPrefix(u.Rows[0], "b: ") {
			t.Errorf("%s: %v", name, err)
		}
		rep, err := Files(base, head, "x", "y", Options{AllowUnequalWork: true})
		if name == "unit" {
			if err == nil {
				t.Error("unlike units are compared")
			}
			continue
		}
		if err != nil || rep.Families[0].Rows[1].Unequal == "" || !slices.Contains(codes(rep), CodeUnequal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDigestsAndFailures(t *testing.T) {
	base, head := suite(1, "a", "b"), suite(1, "a", "b")
	head.Series[0].Digest = "bb"
	head.Series[1].Samples, head.Series[1].Failed, head.Series[1].Reason = nil, 3, "exit status 1"
	rep, err := Files(base, head, "x", "y", Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := rep.Families[0].Rows
	if !rows[0].Digest || rows[1].Undecidable != "failed in head" || rows[1].Head.Failed != 3 {
		t.Errorf("%+v", rows)
	}
	if rep.Warnings[0].Code != CodeDigest || rep.Warnings[0].Severity != analysis.Error {
		t.Errorf("changed results do not come first: %v", codes(rep))
	}
}

func TestNamesThatNeedNotMatch(t *testing.T) {
	rep, err := Files(suite(1, "./old"), suite(1, "./new"), "x", "y", Options{})
	if err != nil || len(rep.Families) != 1 || !slices.Contains(codes(rep), CodeRenamed) {
		t.Fatalf("%v, %+v", err, rep)
	}
	base, head := suite(1, "a", "b"), suite(1, "a", "b")
	for i := range base.Series {
		base.Series[i].Group, head.Series[i].Group = "old", "new"
	}
	if rep, err = Files(base, head, "x", "y", Options{}); err != nil || len(rep.Families) != 1 || len(rep.Families[0].Rows) != 2 {
		t.Fatalf("%v, %+v", err, rep)
	}
}

func TestProgramsArePairedByRound(t *testing.T) {
	s := &codec.Suite{Tool: codec.Parbench}
	for _, g := range []string{"base", "head"} {
		x := codec.Series{Group: g, Name: "a", Metric: "time", Unit: "s", Better: codec.Lower, Rounds: true}
		for i := range 12 {
			if g == "head" && i == 3 || g == "base" && i == 5 {
				continue
			}
			// A machine that becomes 10 % slower every round: paired, a difference of 3 % is plain.
			v := math.Pow(1.1, float64(i))
			if g == "head" {
				v *= 1.03 + float64(i)/1e4
			}
			x.Samples = append(x.Samples, codec.Sample{Value: v, Round: i})
		}
		s.Series = append(s.Series, x)
	}
	slices.Reverse(s.Series[1].Samples) // the order in the file is that of execution
	rep, err := Programs(s, "base", "head", Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rep.Families[0].Rows[0]
	if !rep.Paired || r.Pairs != 10 || r.Verdict != Regressed || slices.Contains(codes(rep), CodeDrift) {
		t.Errorf("%+v %v", r, codes(rep))
	}
	if _, err := Programs(s, "old", "head", Options{}); err == nil || !strings.Contains(err.Error(), "base, head") {
		t.Errorf("an unknown program: %v", err)
	}
}

func TestChange(t *testing.T) {
	for want, i := range map[string]analysis.Interval{
		"+5.1 % (+3.9 % to +6.3 %)":    {Point: 1.051, Lo: 1.039, Hi: 1.063, Level: .95, N: 9},
		"-0.20 % (-0.23 % to -0.17 %)": {Point: .998, Lo: .9977, Hi: .9983, Level: .95, N: 9},
		"2.31 times (2.20 to 2.42)":    {Point: 2.31, Lo: 2.2, Hi: 2.42, Level: .95, N: 9},
		"+5.1 %":                       {Point: 1.051, N: 2},
		"an unknown change":            {},
		"0.0 % (-0.5 % to +0.5 %)":     {Point: 1, Lo: .995, Hi: 1.005, Level: .95, N: 9},
	} {
		if got := Change(i); got != want {
			t.Errorf("%+v is %q, want %q", i, got, want)
		}
	}
}

// TestPageListsCodes: docs/compare.md explains every warning and every verdict.
func TestPageListsCodes(t *testing.T) {
	page, err := os.ReadFile("../../../docs/compare.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Codes() {
		if !strings.Contains(string(page), "`"+c+"`") {
			t.Errorf("docs/compare.md does not explain the warning %q", c)
		}
	}
	for _, v := range Verdicts() {
		if !strings.Contains(string(page), fmt.Sprintf("| %s %s |", v.Symbol(), v)) {
			t.Errorf("docs/compare.md does not explain the verdict %q", v)
		}
	}
}

// Values of few digits lie exactly at the threshold, which is not beyond it, and have no spread: no rounding error decides.
func TestRoundValues(t *testing.T) {
	constant := func(v float64) (x []float64) {
		for range 10 {
			x = append(x, v)
		}
		return x
	}
	for _, paired := range []bool{false, true} {
		for _, c := range []struct {
			base, head float64
			want       Verdict
		}{{50e-9, 51e-9, Inconclusive}, {51e-9, 50e-9, Inconclusive}, {50e-9, 51.1e-9, Regressed}, {1, 1.1, Regressed}, {50e-9, 50.9e-9, Equivalent}} {
			f, err := Judge(Kind{Better: codec.Lower}, []Subject{{Name: "x", Base: constant(c.base), Head: constant(c.head), Paired: paired}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r := f.Rows[0]; r.Verdict != c.want || r.Detectable != 0 {
				t.Errorf("%v to %v, paired %v: %s, detectable %v", c.base, c.head, paired, r.Verdict, r.Detectable)
			}
		}
	}
}
