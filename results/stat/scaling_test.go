package stat

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

// uslReference is what these tests use of testdata/usl_reference.json: published coefficients of the CRAN package usl
// (smoeding/usl@480c97bf, tests/*.Rout.save, BSD-2) and what R nls and scipy make of the same data.
type uslReference struct {
	KarpFlatt []struct {
		P, Speedup, E []float64
	} `json:"karp_flatt"`
	Gustafson struct {
		N         float64   `json:"N"`
		Published []float64 `json:"published_scaled_speedups"`
	} `json:"gustafson"`
	R map[string]struct{ Gamma, Alpha, Beta, RSS float64 } `json:"r_nls"`
	// The standard errors are scipy's.
	Scipy map[string]struct {
		SE   struct{ G, A, B float64 }
		Peak *float64 `json:"peak_N"`
	} `json:"recomputed_scipy_and_R_agree"`
	Published struct {
		Specsdm91 struct {
			Sigma, Limit float64
			DF           int
		}
		Identities struct {
			X map[string]float64 `json:"X_at_R"`
		} `json:"identities_sigma.06_kappa.06_lambda40"`
	}
}

func readUSL(t testing.TB) (ref uslReference) {
	t.Helper()
	b, err := os.ReadFile("testdata/usl_reference.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	return ref
}

// readPoints reads testdata/usl_NAME.csv: CRAN package usl, data/raytracer and data/specsdm91 (Gunther 2007, BSD-2).
func readPoints(t testing.TB, name string) []ScalingPoint {
	t.Helper()
	f, err := os.Open("testdata/usl_" + name + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var points []ScalingPoint
	for _, row := range rows[1:] {
		n, err1 := strconv.ParseFloat(row[0], 64)
		x, err2 := strconv.ParseFloat(row[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		points = append(points, ScalingPoint{n, x})
	}
	return points
}

func close1(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s = %.12g, want %.12g within %g", what, got, want, tolerance)
	}
}

func TestPublishedUSL(t *testing.T) {
	ref := readUSL(t)
	raytracer := readPoints(t, "raytracer")
	for name, points := range map[string][]ScalingPoint{
		"specsdm91": readPoints(t, "specsdm91"), "raytracer": raytracer, "raytracer_first6": raytracer[:6],
	} {
		f, err := FitScalingModel(points, ModelUSL, ScalingOptions{Unweighted: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, scipy := ref.R[name], ref.Scipy[name]
		close1(t, name+" gamma", f.Gamma.Point, want.Gamma, 1e-5)
		close1(t, name+" alpha", f.Alpha.Point, want.Alpha, 1e-4)
		close1(t, name+" beta", f.Beta.Point, want.Beta, 1e-4)
		close1(t, name+" rss", f.RSS, want.RSS, 1e-8)
		// scipy's standard errors come from a numerical derivative and, for raytracer, from beta just above 0.
		q := -tQuantile(.025, float64(len(points)-3))
		close1(t, name+" gamma's error", (f.Gamma.Hi-f.Gamma.Point)/q, scipy.SE.G, 1e-4)
		close1(t, name+" alpha's error", (f.Alpha.Hi-f.Alpha.Point)/q, scipy.SE.A, 1e-4)
		close1(t, name+" beta's error", (f.Beta.Hi-f.Beta.Point)/q, scipy.SE.B, 1e-4)
		if scipy.Peak != nil {
			close1(t, name+" peak", f.Peak.Point, *scipy.Peak, 1e-4)
		} else if f.Peak != (Interval{}) {
			t.Errorf("%s: peak %+v where there is none", name, f.Peak)
		}
	}
	f, err := FitScalingModel(readPoints(t, "specsdm91"), ModelUSL, ScalingOptions{Unweighted: true})
	if err != nil {
		t.Fatal(err)
	}
	p := ref.Published.Specsdm91
	close1(t, "limit", f.Limit, p.Limit, 1e-4)
	close1(t, "sigma", f.Sigma, p.Sigma, 1e-4)
	if f.DF != p.DF {
		t.Errorf("%d degrees of freedom, want %d", f.DF, p.DF)
	}
	// STATISTICS of the first six points by R nls with the right quantile, t(3): the published interval of the CRAN
	// package, alpha 0.00754 to 0.04135, uses a one-sided quantile with n−1 degrees and is not to be reproduced.
	f, err = FitScalingModel(raytracer[:6], ModelUSL, ScalingOptions{Unweighted: true})
	if err != nil {
		t.Fatal(err)
	}
	close1(t, "alpha hi", f.Alpha.Hi, .05115, 1e-3)
	close1(t, "beta lo", f.Beta.Lo, .000795, 1e-3)
	close1(t, "beta hi", f.Beta.Hi, .002459, 1e-3)
	close1(t, "gamma lo", f.Gamma.Lo, 18.347, 1e-4)
	close1(t, "gamma hi", f.Gamma.Hi, 23.365, 1e-4)
	if f.Alpha.Lo != 0 {
		t.Errorf("alpha lo %v, want it cut at 0", f.Alpha.Lo)
	}
}

func TestKarpFlattAndGustafsonVectors(t *testing.T) {
	ref := readUSL(t)
	if len(ref.KarpFlatt) != 2 {
		t.Fatalf("%d Karp-Flatt tables", len(ref.KarpFlatt))
	}
	for _, table := range ref.KarpFlatt {
		for i, p := range table.P {
			e, err := KarpFlatt(table.Speedup[i], p)
			if err != nil || math.Abs(e-table.E[i]) > .5001e-4 {
				t.Errorf("S = %v on %v: %v, want %v (%v)", table.Speedup[i], p, e, table.E[i], err)
			}
		}
	}
	iv, err := KarpFlattInterval(Interval{Point: 3.08, Lo: 2.9, Hi: 3.2, Level: .9, N: 7}, 4)
	if err != nil || !(iv.Lo < iv.Point && iv.Point < iv.Hi) || iv.Level != .9 || iv.N != 7 || math.Abs(iv.Hi-(1/2.9-.25)/.75) > 1e-15 {
		t.Errorf("%+v, %v", iv, err)
	}
	// Gustafson reports serial shares of 0.4 to 0.8 % and speedups in whole numbers.
	g := ref.Gustafson
	for i, serial := range []float64{.003, .004, .008} {
		s, err := Gustafson(serial, g.N)
		if err != nil || math.Round(s) != g.Published[i] {
			t.Errorf("serial share %v: %v, want %v (%v)", serial, s, g.Published[i], err)
		}
	}
}

// Data made by a model give its parameters back, in both modes, with replicates and in any order.
func TestExactModels(t *testing.T) {
	for _, want := range [][3]float64{{1000, 0, 0}, {3, .1, 0}, {1e-9, .05, .002}, {5e12, 0, .001}, {2, 1.5, .01}} {
		for _, unweighted := range []bool{false, true} {
			var points []ScalingPoint
			for _, n := range []float64{16, 1, 2, 4, 8, 12, 24, 32} {
				x := want[0] * n / (1 + want[1]*(n-1) + want[2]*n*(n-1))
				points = append(points, ScalingPoint{n, x}, ScalingPoint{n, x * .5}, ScalingPoint{n, x * 2})
			}
			s, err := FitScaling(points, ScalingOptions{Unweighted: unweighted})
			if err != nil {
				t.Fatal(err)
			}
			f := s.USL
			if math.Abs(f.Gamma.Point/want[0]-1) > 1e-7 || math.Abs(f.Alpha.Point-want[1]) > 1e-7 || math.Abs(f.Beta.Point-want[2]) > 1e-7 {
				t.Errorf("%v unweighted %v: %+v", want, unweighted, f)
			}
			model := ModelUSL
			if want[2] == 0 {
				model = ModelAmdahl
			}
			if want[1] == 0 && want[2] == 0 {
				model = ModelLinear
			}
			if s.Choice != model {
				t.Errorf("%v unweighted %v: chose %s (p %v, %v)", want, unweighted, s.Choice, s.AmdahlP, s.USLP)
			}
			if len(s.Points) != 8 || !slices.IsSortedFunc(s.Points, func(a, b ScalingPoint) int { return int(a.N - b.N) }) {
				t.Errorf("points %v", s.Points)
			}
			if b := s.BetaBound; b.Level != .95 || b.Hi < want[2]-1e-9 || b.Hi > want[2]+1e-6 {
				t.Errorf("%v unweighted %v: bound %+v", want, unweighted, b)
			}
			for _, p := range s.Points {
				x, err := f.At(p.N)
				if err != nil || math.Abs(x/p.X-1) > 1e-6 {
					t.Errorf("at %v: %v, want %v (%v)", p.N, x, p.X, err)
				}
			}
		}
	}
}

func TestPredictionsOfAFit(t *testing.T) {
	// Inverting must use β: usl4j and the Go package usl ignore it. At a response time R the throughput is N/R.
	f := ScalingFit{Gamma: Interval{Point: 40}, Alpha: Interval{Point: .06}, Beta: Interval{Point: .06}, Largest: 20}
	for latency, want := range readUSL(t).Published.Identities.X {
		r, err := strconv.ParseFloat(latency, 64)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := f.At(want * r); err != nil || math.Abs(x/want-1) > 1e-9 {
			t.Errorf("at N = %v: %v, want %v (%v)", want*r, x, want, err)
		}
		peak := math.Sqrt(.94 / .06)
		n, err := f.WorkersFor(want)
		back, _ := f.At(n)
		if err != nil || n > peak || math.Abs(back/want-1) > 1e-9 || (want*r < peak && math.Abs(n/want/r-1) > 1e-9) {
			t.Errorf("X = %v needs N = %v, which gives %v (%v)", want, n, back, err)
		}
	}
	for _, x := range []float64{400, 500, 600} { // the libraries give an answer; the peak is about 84
		if n, err := f.WorkersFor(x); !errors.Is(err, ErrRange) {
			t.Errorf("X = %v: N = %v, %v", x, n, err)
		}
	}
	if _, err := f.At(40); err != nil {
		t.Error(err)
	}
	if _, err := f.At(40.001); !errors.Is(err, ErrExtrapolate) {
		t.Errorf("beyond twice the data: %v", err)
	}
	linear := ScalingFit{Gamma: Interval{Point: 2}, Largest: 4}
	if n, err := linear.WorkersFor(6); err != nil || n != 3 {
		t.Errorf("linear: %v, %v", n, err)
	}
	if _, err := linear.WorkersFor(17); !errors.Is(err, ErrExtrapolate) {
		t.Errorf("linear: %v", err)
	}
	for _, bad := range []float64{0, -1, nan, inf} {
		if _, err := f.WorkersFor(bad); !errors.Is(err, ErrArgument) {
			t.Errorf("WorkersFor(%v): %v", bad, err)
		}
	}
	if _, err := f.At(-1); !errors.Is(err, ErrArgument) {
		t.Error(err)
	}
}

func TestFewCoreCounts(t *testing.T) {
	amdahl := func(alpha, beta float64, ns ...float64) (p []ScalingPoint) {
		for i, n := range ns {
			p = append(p, ScalingPoint{n, n / (1 + alpha*(n-1) + beta*n*(n-1)) * (1 + .002*float64(i%3-1))})
		}
		return p
	}
	fit := func(p []ScalingPoint, scale float64) Scaling {
		t.Helper()
		s, err := FitScaling(p, ScalingOptions{ResidualScale: scale})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := fit(amdahl(.1, 0, 1, 2), .01); s.Choice != "" || s.Amdahl != nil || !slices.Contains(s.Flags, FlagNoFit) {
		t.Errorf("two: %+v", s)
	}
	if s := fit(amdahl(.1, 0, 1, 2, 4), 0); s.Choice != "" || s.USL != nil || s.Best() != nil || s.Amdahl == nil || s.Linear == nil ||
		!slices.Equal(s.Flags, []ScalingFlag{FlagFewN, FlagNoUSL, FlagNoBetaBound}) {
		t.Errorf("three, scale unknown: %+v", s)
	}
	if s := fit(amdahl(.1, 0, 1, 2, 4), .005); s.Choice != ModelAmdahl || s.USL != nil || s.BetaBound.Level != .95 || s.BetaBound.Hi > .02 ||
		!slices.Equal(s.Flags, []ScalingFlag{FlagNoUSL}) {
		t.Errorf("three, scale known: %+v", s)
	}
	if s := fit(amdahl(0, 0, 1, 2, 4, 8), .005); s.Choice != ModelLinear || s.AmdahlP < .05 {
		t.Errorf("four, linear: %+v", s)
	}
	if s := fit(amdahl(.02, .02, 1, 2, 4, 8), .005); s.Choice != ModelUSL || s.USL == nil || s.Best() != s.USL || s.USLP > .05 {
		t.Errorf("four, retrograde: %+v", s)
	}
	if _, err := FitScaling(amdahl(.1, 0, 4, 4, 4), ScalingOptions{}); !errors.Is(err, ErrTooFew) {
		t.Errorf("one: %v", err)
	}
}

func BenchmarkFit360(b *testing.B) {
	for _, unweighted := range []bool{false, true} {
		b.Run(map[bool]string{false: "relative", true: "unweighted"}[unweighted], func(b *testing.B) {
			var points []ScalingPoint
			for n := range 36 {
				for r := range 10 {
					k := float64(n + 1)
					points = append(points, ScalingPoint{k, k / (1 + .03*(k-1) + .0005*k*(k-1)) * (1 + .01*math.Sin(float64(n*10+r)))})
				}
			}
			for b.Loop() {
				if _, err := FitScaling(points, ScalingOptions{Unweighted: unweighted}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestFlagsOfAFit(t *testing.T) {
	var far []ScalingPoint
	for _, n := range []float64{1, 2, 3, 4, 6, 8} {
		far = append(far, ScalingPoint{n, n / (1 + .02*(n-1) + .001*n*(n-1))})
	}
	s, err := FitScaling(far, ScalingOptions{})
	if err != nil || s.Choice != ModelUSL || !s.USL.PeakBeyond || !slices.Equal(s.Flags, []ScalingFlag{FlagPeakBeyond}) {
		t.Errorf("peak at 31, data to 8: %+v, %v", s, err)
	}
	// The peak is a number all the same, but nothing is predicted there.
	close1(t, "peak", s.USL.Peak.Point, math.Sqrt(.98/.001), 1e-6)
	if _, err := s.USL.At(s.USL.Peak.Point); !errors.Is(err, ErrExtrapolate) {
		t.Errorf("at the peak: %v", err)
	}
	// A second worker makes it slower: the peak is at one.
	var retrograde []ScalingPoint
	for _, n := range []float64{1, 2, 3, 4, 6, 8} {
		retrograde = append(retrograde, ScalingPoint{n, n / (1 + 1.4*(n-1) + .1*n*(n-1))})
	}
	if s, err := FitScaling(retrograde, ScalingOptions{}); err != nil || s.USL.Peak.Point != 1 {
		t.Errorf("retrograde: %+v, %v", s.USL, err)
	}
	// Without N = 1 a throughput that only falls does not bound that of one worker.
	for _, unweighted := range []bool{false, true} {
		collapse := []ScalingPoint{{8, 1}, {16, .1}, {32, .01}, {64, .001}, {128, .0001}}
		if f, err := FitScalingModel(collapse, ModelUSL, ScalingOptions{Unweighted: unweighted}); !errors.Is(err, ErrFit) {
			t.Errorf("collapse, unweighted %v: %+v, %v", unweighted, f, err)
		}
	}
	for name, c := range map[string]struct {
		points []ScalingPoint
		opt    ScalingOptions
		want   error
	}{
		"none":     {nil, ScalingOptions{}, ErrTooFew},
		"zero":     {[]ScalingPoint{{1, 0}, {2, 1}}, ScalingOptions{}, ErrNotPositive},
		"NaN":      {[]ScalingPoint{{1, nan}, {2, 1}}, ScalingOptions{}, ErrNotFinite},
		"half a N": {[]ScalingPoint{{.5, 1}, {2, 1}}, ScalingOptions{}, ErrArgument},
		"too many": {[]ScalingPoint{{1, 1}, {1e8, 1}}, ScalingOptions{}, ErrArgument},
		"level":    {far, ScalingOptions{Level: 1}, ErrArgument},
		"scale":    {far, ScalingOptions{ResidualScale: -1}, ErrArgument},
	} {
		if _, err := FitScaling(c.points, c.opt); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := FitScalingModel(far[:2], ModelUSL, ScalingOptions{}); !errors.Is(err, ErrTooFew) {
		t.Errorf("two N: %v", err)
	}
	if _, err := FitScalingModel(far, "cubic", ScalingOptions{}); !errors.Is(err, ErrArgument) {
		t.Errorf("unknown model: %v", err)
	}
}
