package stat

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

// testR is what R calls a test: statistic, degrees of freedom, p-value and interval.
type testR struct {
	Ratio, P, T, DF float64
	CI              []float64
}

// oracle is what this package uses of testdata/oracle_r.json; oracle.R beside it made the values with R 4.2.2.
type oracle struct {
	A, B       []float64
	SignedRank *struct {
		V  int       `json:"V"`
		P  float64   `json:"p"`
		HL float64   `json:"hl_ratio"`
		CI []float64 `json:"ci_ratio"`
	} `json:"signed_rank_log"`
	Ties *struct {
		P float64 `json:"p"`
	} `json:"signed_rank_exact_zeros_or_ties"`
	Welch      testR
	WelchRatio testR `json:"welch_log_ratio"`
	RankSum    struct {
		P  float64   `json:"p_exact_with_ties"`
		HL *float64  `json:"hl"`
		CI []float64 `json:"ci"`
	} `json:"mwu_b_minus_a"`
	Fieller struct {
		Ratio float64
		Sum   []float64 `json:"ci_df_n1n2_2"`
		Min   []float64 `json:"ci_df_min"`
	} `json:"fieller_mean_ratio"`
}

func readOracle(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	b, err := os.ReadFile("testdata/oracle_r.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// near fails unless got equals want within 1e-9, relative above 1.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*max(1, math.Abs(want))) {
		t.Errorf("%s = %.15g, want %.15g", what, got, want)
	}
}

func TestPairedRatioAgainstR(t *testing.T) {
	all := readOracle(t)
	checked := 0
	for _, name := range []string{"a10", "skew12", "ties8"} {
		var o oracle
		if err := json.Unmarshal(all[name], &o); err != nil {
			t.Fatal(err)
		}
		iv, p, err := PairedRatio(o.B, o.A, .95)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r := o.SignedRank; r != nil {
			checked++
			near(t, name+" p", p, r.P)
			near(t, name+" ratio", iv.Point, r.HL)
			near(t, name+" lo", iv.Lo, r.CI[0])
			near(t, name+" hi", iv.Hi, r.CI[1])
			if iv.Level < .95 || iv.N != len(o.A) {
				t.Errorf("%s: level %v of %d pairs", name, iv.Level, iv.N)
			}
		}
		if r := o.Ties; r != nil {
			checked++
			d := make([]float64, len(o.A))
			for i := range d {
				d[i] = o.B[i] - o.A[i]
			}
			p, err := SignedRank(d)
			if err != nil {
				t.Fatal(err)
			}
			near(t, name+" p of the differences", p, r.P)
		}
	}
	if checked != 3 {
		t.Fatalf("checked %d cases, want 3: the oracle changed", checked)
	}
}

func TestCorrectionsAgainstR(t *testing.T) {
	var o struct {
		P, Holm, BH []float64
	}
	if err := json.Unmarshal(readOracle(t)["p_adjust"], &o); err != nil {
		t.Fatal(err)
	}
	holm, bh := Holm(o.P), BenjaminiHochberg(o.P)
	if len(o.P) != 15 {
		t.Fatalf("%d p-values", len(o.P))
	}
	for i := range o.P {
		near(t, "Holm", holm[i], o.Holm[i])
		near(t, "BH", bh[i], o.BH[i])
	}
	// Order must not matter.
	n := len(o.P)
	turned := make([]float64, n)
	for i, v := range o.P {
		turned[n-1-i] = v
	}
	holm, bh = Holm(turned), BenjaminiHochberg(turned)
	for i := range o.P {
		near(t, "Holm reversed", holm[n-1-i], o.Holm[i])
		near(t, "BH reversed", bh[n-1-i], o.BH[i])
	}
}

func TestMedianIntervalAgainstR(t *testing.T) {
	var o map[string]*struct {
		Lo, Hi   int
		Coverage float64
	}
	if err := json.Unmarshal(readOracle(t)["median_ci_orders"], &o); err != nil {
		t.Fatal(err)
	}
	if len(o) != 8 {
		t.Fatalf("%d sizes", len(o))
	}
	for size, want := range o {
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float64, n)
		for i := range x {
			x[i] = float64((i*7)%n + 1) // the values 1 … n: an order statistic is its own rank
			if n%7 == 0 {
				x[i] = float64(i + 1)
			}
		}
		iv, err := MedianInterval(x, .95)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			if iv.Level != 0 || iv.Lo != iv.Point || iv.Hi != iv.Point || iv.Point != float64(n+1)/2 {
				t.Errorf("n = %d: %+v, want the median alone", n, iv)
			}
			continue
		}
		if int(iv.Lo) != want.Lo || int(iv.Hi) != want.Hi {
			t.Errorf("n = %d: orders %v to %v, want %d to %d", n, iv.Lo, iv.Hi, want.Lo, want.Hi)
		}
		near(t, "coverage", iv.Level, want.Coverage)
	}
}

// The t quantile has closed forms for 1 and 2 degrees of freedom; the others are R 4.2.2, qt(c(.975, .8), df).
func TestMinDetectable(t *testing.T) {
	one := func(p float64) float64 { return math.Tan(math.Pi * (p - .5)) }
	two := func(p float64) float64 { return (2*p - 1) / math.Sqrt(2*p*(1-p)) }
	for _, c := range []struct {
		n          int
		high, half float64
	}{
		{2, one(.975), one(.8)},
		{3, two(.975), two(.8)},
		{10, 2.262157162798205, 0.883403859685668},
	} {
		got, err := MinDetectable(.03, c.n, .05, .8)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "n = "+strconv.Itoa(c.n), got, (c.high+c.half)*.03/math.Sqrt(float64(c.n)))
	}
}
