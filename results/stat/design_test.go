package stat

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

func TestDesign(t *testing.T) {
	for looks, level := range map[int]float64{1: .05, 2: .0294, 3: .0221} {
		d, err := NewDesign(14, looks)
		if err != nil || d.Level != level || d.Single != level/14 {
			t.Errorf("%d looks: %+v, %v", looks, d, err)
		}
	}
	for m, want := range map[int]int{1: 6, 14: 10, 50: 11, 56: 12, 168: 13} {
		got, err := PairFloor(m, .05)
		if formula := int(math.Ceil(1 + math.Log2(float64(m)/.05))); err != nil || got != want || got != formula {
			t.Errorf("%d comparisons need %d pairs, want %d, by the formula %d (%v)", m, got, want, formula, err)
		}
		// The floor is what the test says of the clearest data there are.
		clear := make([]float64, got)
		for i := range clear {
			clear[i] = float64(i + 1)
		}
		p, _ := SignedRank(clear)
		less, _ := SignedRank(clear[1:])
		if limit := .05 / float64(m); p > limit || less <= limit {
			t.Errorf("%d comparisons: p %v with %d pairs, %v with one less", m, p, got, less)
		}
	}
	for m, want := range map[int]int{1: 4, 14: 6, 56: 7, 168: 8} {
		got, err := UnpairedFloor(m, .05)
		if err != nil || got != want {
			t.Errorf("%d comparisons need %d a side, want %d (%v)", m, got, want, err)
		}
		low, high := make([]float64, got), make([]float64, got)
		for i := range low {
			low[i], high[i] = float64(i), float64(100+i)
		}
		p, _ := MannWhitney(low, high)
		less, _ := MannWhitney(low[1:], high[1:])
		if limit := .05 / float64(m); p > limit || less <= limit {
			t.Errorf("%d comparisons: p %v with %d a side, %v with one less", m, p, got, less)
		}
	}
	for _, c := range [][2]int{{0, 1}, {-1, 1}, {1, 0}, {1, 4}} {
		if _, err := NewDesign(c[0], c[1]); !errors.Is(err, ErrArgument) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, alpha := range []float64{0, 1, nan} {
		if _, err := PairFloor(1, alpha); !errors.Is(err, ErrArgument) {
			t.Error(err)
		}
		if _, err := UnpairedFloor(1, alpha); !errors.Is(err, ErrArgument) {
			t.Error(err)
		}
	}
	d, _ := NewDesign(10, 2)
	got, err := d.MinDetectable(.03, 15, .8)
	want, _ := MinDetectable(.03, 15, .00294, .8)
	if err != nil || math.Abs(got-want) > 1e-12 || !(got > .03) {
		t.Errorf("minimum detectable effect %v, want %v (%v)", got, want, err)
	}
}

func TestVarianceComponents(t *testing.T) {
	b, err := os.ReadFile("testdata/kalibera_jones.json")
	if err != nil {
		t.Fatal(err)
	}
	// softdevteam/libkalibera@46d972aa, python/tests/test_data.py: the worked examples of Kalibera and Jones. Its S² and T²
	// are in the order of their indices, innermost first.
	var file struct {
		Cases []struct {
			Name    string
			Reps    []int
			Data    json.RawMessage
			S2      []float64 `json:"S2_full"`
			T2      []float64 `json:"T2_full"`
			Half    float64   `json:"ci95_half_width_of_mean"`
			Costs   []float64 `json:"costs_outer_to_inner"`
			Optimal []float64 `json:"optimal_r_unrounded"`
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	optima := 0
	for _, c := range file.Cases {
		var tree any
		if err := json.Unmarshal(c.Data, &tree); err != nil {
			t.Fatal(err)
		}
		got, err := VarianceComponents(flatten(tree), c.Reps, .95)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(c.S2)
		slices.Reverse(c.T2)
		for i := range c.Reps {
			near(t, c.Name+" S2", got.S2[i], c.S2[i])
			near(t, c.Name+" T2", got.T2[i], c.T2[i])
		}
		near(t, c.Name+" half-width", got.Mean.Hi-got.Mean.Point, c.Half)
		if c.Costs != nil {
			optima++
			best, err := got.OptimalRepetitions(c.Costs)
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(c.Optimal)
			for i := range best {
				if math.Abs(best[i]-c.Optimal[i]) > .5001e-4 {
					t.Errorf("%s: %v, want %v", c.Name, best, c.Optimal)
				}
			}
		}
	}
	if len(file.Cases) != 3 || optima != 1 {
		t.Errorf("%d cases, %d with optima", len(file.Cases), optima)
	}
}

// flatten returns the numbers of a nested list in order.
func flatten(tree any) (x []float64) {
	if v, ok := tree.(float64); ok {
		return []float64{v}
	}
	for _, branch := range tree.([]any) {
		x = append(x, flatten(branch)...)
	}
	return x
}

func TestVarianceComponentsEdges(t *testing.T) {
	for i, c := range []struct {
		data []float64
		reps []int
		want error
	}{
		{nil, []int{1}, ErrTooFew}, {[]float64{1, nan}, []int{2}, ErrNotFinite}, {[]float64{1, 2}, nil, ErrArgument},
		{[]float64{1, 2}, []int{3}, ErrLength}, {[]float64{1, 2}, []int{1}, ErrLength}, {[]float64{1, 2}, []int{2, 1}, ErrTooFew},
		{[]float64{1, 2}, []int{0, 2}, ErrArgument}, {[]float64{1, 2}, []int{2, 2}, ErrLength},
		{[]float64{-math.MaxFloat64, math.MaxFloat64}, []int{2}, ErrRange},
	} {
		if _, err := VarianceComponents(c.data, c.reps, .95); !errors.Is(err, c.want) {
			t.Errorf("case %d: %v, want %v", i, err, c.want)
		}
	}
	one, err := VarianceComponents([]float64{1, 2, 3}, []int{1, 3}, .95)
	if err != nil || one.Mean.Level != 0 || one.Mean.Point != 2 || one.T2[0] != 0 || one.T2[1] != 1 {
		t.Errorf("one process: %+v, %v", one, err)
	}
	if _, err := one.OptimalRepetitions([]float64{1, 1}); !errors.Is(err, ErrUnbounded) {
		t.Errorf("no variance between processes: %v", err)
	}
	calm, err := VarianceComponents([]float64{1, 1, 2, 2, 4, 4}, []int{3, 2}, .95)
	if err != nil || calm.T2[1] != 0 {
		t.Errorf("no variance between batches: %+v, %v", calm, err)
	}
	if best, err := calm.OptimalRepetitions([]float64{5, 1}); err != nil || !slices.Equal(best, []float64{1}) {
		t.Errorf("%v, %v", best, err)
	}
	for _, c := range []struct {
		costs []float64
		want  error
	}{{[]float64{1}, ErrLength}, {[]float64{1, 0}, ErrArgument}, {[]float64{nan, 1}, ErrNotFinite}} {
		if _, err := calm.OptimalRepetitions(c.costs); !errors.Is(err, c.want) {
			t.Errorf("costs %v: %v", c.costs, err)
		}
	}
}

// Looking three times at the Pocock level keeps 5 % overall; looking three times at 5 % does not.
func TestLooksKeepTheLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	const runs = 3000
	three, err := NewDesign(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	planned, naive := 0, 0
	a, b := make([]float64, 45), make([]float64, 45)
	for range runs {
		pairs(r, noises[0].draw, a, b, 0, false)
		least := 1.
		for _, n := range []int{15, 30, 45} {
			_, p, err := PairedRatio(a[:n], b[:n], .95)
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, p)
		}
		if least <= three.Level {
			planned++
		}
		if least <= .05 {
			naive++
		}
	}
	t.Logf("three looks: %.3f at the Pocock level, %.3f at 0.05 each", share(planned, runs), share(naive, runs))
	if share(planned, runs) > .055 || share(naive, runs) < .08 {
		t.Errorf("three looks: %.3f at the Pocock level, %.3f at 0.05 each", share(planned, runs), share(naive, runs))
	}
}
