package stat

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/parbench/parbench/internal/testenv"
)

// noise draws the log of the time of each of n trials that follow each other: five pictures of a disturbed machine.
type noise struct {
	name string
	draw func(r *rand.Rand, log []float64)
}

var noises = []noise{
	{"iid", func(r *rand.Rand, log []float64) {
		for i := range log {
			log[i] = .02 * r.NormFloat64()
		}
	}},
	{"ar1", func(r *rand.Rand, log []float64) { // correlation .8 from trial to trial: frequency, temperature
		state := .02 * r.NormFloat64()
		for i := range log {
			log[i] = state + .005*r.NormFloat64()
			state = .8*state + .6*.02*r.NormFloat64()
		}
	}},
	{"drift", func(r *rand.Rand, log []float64) { // 10 % from the first trial to the last
		for i := range log {
			log[i] = .1*float64(i)/float64(len(log)) + .02*r.NormFloat64()
		}
	}},
	{"bursts", func(r *rand.Rand, log []float64) { // a neighbour wakes in one of 20 trials and stays for about 3
		busy := 0.
		for i := range log {
			if busy == 0 && r.Float64() < .05 {
				busy = .1 + .4*r.Float64()
			} else if r.Float64() < 1./3 {
				busy = 0
			}
			log[i] = busy + .01*r.NormFloat64()
		}
	}},
	{"bimodal", func(r *rand.Rand, log []float64) { // each process lands in one of two modes of its own: page placement
		for i := range log {
			log[i] = .01 * r.NormFloat64()
			if r.Float64() < .3 {
				log[i] += .05
			}
		}
	}},
}

// pairs simulates one interleaved comparison: in each round both sides run once, in random order; side a is longer by the
// factor exp(effect). apart runs all of a before all of b instead.
func pairs(r *rand.Rand, draw func(*rand.Rand, []float64), a, b []float64, effect float64, apart bool) {
	log := make([]float64, 2*len(a))
	draw(r, log)
	for i := range a {
		first, second := log[2*i], log[2*i+1]
		if r.IntN(2) == 1 {
			first, second = second, first
		}
		if apart {
			first, second = log[i], log[len(a)+i]
		}
		a[i], b[i] = math.Exp(first+effect), math.Exp(second)
	}
}

// rate returns the share of runs in which test gives p ≤ .05.
func rate(t *testing.T, n noise, size, runs int, effect float64, apart bool, test func(a, b []float64) (float64, error)) float64 {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(size), uint64(len(n.name))))
	a, b := make([]float64, size), make([]float64, size)
	hits := 0
	for range runs {
		pairs(r, n.draw, a, b, effect, apart)
		p, err := test(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if p <= .05 {
			hits++
		}
	}
	return float64(hits) / float64(runs)
}

func defaultTest(a, b []float64) (float64, error) {
	_, p, err := PairedRatio(a, b, .95)
	return p, err
}

func signFlipTest(a, b []float64) (float64, error) {
	l, err := logRatios(a, b)
	if err != nil {
		return 0, err
	}
	return SignFlip(l)
}

func welchTest(a, b []float64) (float64, error) {
	_, p, err := WelchRatio(a, b, .95)
	return p, err
}

// The default test keeps its level in every model, for the numbers of pairs that a run report and a gate use. The seeds
// are fixed: what is asserted is a property of the code and of these numbers, not chance.
func TestFalsePositivesOfTheDefault(t *testing.T) {
	for _, n := range noises {
		for _, size := range []int{10, 15, 20} {
			if got := rate(t, n, size, 4000, 0, false, defaultTest); got < .04 || got > .06 {
				t.Errorf("%s, %d pairs: %.4f false positives, want 0.05 ± 0.01", n.name, size, got)
			}
		}
	}
}

// The secondary test as well; and why pairs, rounds and no t test: measured apart, or unpaired, the level is lost.
func TestFalsePositivesOfOthers(t *testing.T) {
	for _, n := range noises {
		if got := rate(t, n, 10, 2000, 0, false, signFlipTest); got < .03 || got > .065 {
			t.Errorf("%s: sign-flip test %.4f", n.name, got)
		}
	}
	for _, n := range noises[1:3] { // ar1 and drift
		for what, test := range map[string]func(a, b []float64) (float64, error){"signed rank": defaultTest, "Mann-Whitney": MannWhitney, "Welch": welchTest} {
			if got := rate(t, n, 20, 500, 0, true, test); got < .14 {
				t.Errorf("%s, all of one side first, %s: only %.4f; the documentation says otherwise", n.name, what, got)
			}
		}
	}
}

// TestNoiseTable prints the table of docs/statistics.md.
func TestNoiseTable(t *testing.T) {
	if os.Getenv("PARBENCH_NOISE_TABLE") == "" {
		testenv.DoesNotApply(t, "a table for reading, which takes minutes: set PARBENCH_NOISE_TABLE=1 and use -v")
	}
	const runs = 8000
	tests := []struct {
		name  string
		test  func(a, b []float64) (float64, error)
		apart bool
	}{
		{"signed rank", defaultTest, false}, {"sign-flip, trimmed", signFlipTest, false}, {"Mann-Whitney", MannWhitney, false},
		{"Welch on logs", welchTest, false}, {"signed rank, AAAA BBBB", defaultTest, true}, {"Welch, AAAA BBBB", welchTest, true},
	}
	for _, c := range []struct {
		what   string
		size   int
		effect float64
	}{{"false positives, n = 10", 10, 0}, {"false positives, n = 20", 20, 0}, {"power for 2 %, n = 20", 20, math.Log(1.02)}, {"power for 5 %, n = 10", 10, math.Log(1.05)}} {
		for _, x := range tests {
			line := fmt.Sprintf("%s | %s", c.what, x.name)
			for _, n := range noises {
				line += fmt.Sprintf(" | %.1f", 100*rate(t, n, c.size, runs, c.effect, x.apart, x.test))
			}
			t.Log(line)
		}
	}
}

// readForks reads testdata/aa_jmh_forks.json: JMH benchmarks of identical code, ten processes of 300 iterations each, in
// seconds per operation (SEALABQualityGroup/steady-state@4220a5dd; Traini et al., EMSE 28:13, 2023).
func readForks(t *testing.T) [][][]float64 {
	t.Helper()
	b, err := os.ReadFile("testdata/aa_jmh_forks.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Benchmarks []struct{ Forks [][]float64 }
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Benchmarks) != 6 {
		t.Fatalf("%d benchmarks", len(file.Benchmarks))
	}
	var all [][][]float64
	for _, benchmark := range file.Benchmarks {
		if len(benchmark.Forks) != 10 {
			t.Fatalf("%d processes", len(benchmark.Forks))
		}
		all = append(all, benchmark.Forks)
	}
	return all
}

// Real A/A data: with processes as samples at most 5 % of comparisons find a difference, over all ways to divide ten
// processes into two sides of five; with iterations as samples most do.
func TestRealAAData(t *testing.T) {
	splits, welch, rank := 0, 0, 0
	iterations, iterationRank := 0, 0
	for _, forks := range readForks(t) {
		var means [10]float64
		for i, f := range forks {
			means[i], _ = moments(f)
		}
		for chosen := range 1 << 10 {
			var a, b []float64
			for i, m := range means {
				if chosen>>i&1 == 1 {
					a = append(a, m)
				} else {
					b = append(b, m)
				}
			}
			if len(a) != 5 {
				continue
			}
			splits++
			if p, err := welchTest(a, b); err != nil {
				t.Fatal(err)
			} else if p <= .05 {
				welch++
			}
			if p, err := MannWhitney(a, b); err != nil {
				t.Fatal(err)
			} else if p <= .05 {
				rank++
			}
		}
		for i := range forks {
			for j := range i {
				iterations++
				if p, err := MannWhitney(forks[i][:30], forks[j][:30]); err != nil {
					t.Fatal(err)
				} else if p <= .05 {
					iterationRank++
				}
			}
		}
	}
	t.Logf("processes as samples, %d splits: Welch %.2f %%, Mann-Whitney %.2f %%; iterations as samples, %d pairs: Mann-Whitney %.1f %%",
		splits, 100*float64(welch)/float64(splits), 100*float64(rank)/float64(splits), iterations, 100*float64(iterationRank)/float64(iterations))
	if splits != 6*252 || float64(welch) > .05*float64(splits) || float64(rank) > .05*float64(splits) {
		t.Errorf("of %d splits of identical processes Welch finds %d different, Mann-Whitney %d", splits, welch, rank)
	}
	if float64(iterationRank) < .3*float64(iterations) {
		t.Errorf("iterations as samples: %d of %d; the documentation says that most are called different", iterationRank, iterations)
	}
}
