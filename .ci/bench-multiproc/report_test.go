package main

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parbench/parbench/internal/host"
)

// rounds makes attempts in which own and peer have the given figures, one a round.
func rounds(r row, mine, theirs []float64) (used []attempt) {
	for i, x := range mine {
		a := attempt{round: i, outcomes: []outcome{{m: r.own.measurement, values: values{r.own.value: x}}}}
		if theirs != nil {
			a.outcomes = append(a.outcomes, outcome{m: r.peer.measurement, values: values{r.peer.value: theirs[i]}})
		}
		used = append(used, a)
	}
	return used
}

func TestVerdict(t *testing.T) {
	peer := []float64{100, 110, 90, 105, 95, 100, 98, 102}
	scaled := func(f ...float64) (x []float64) {
		for i, p := range peer {
			x = append(x, p*f[i%len(f)])
		}
		return x
	}
	speed := against("x", "x", seconds, times(2))
	speed.speed = true
	for name, c := range map[string]struct {
		row          row
		mine, theirs []float64
		python       bool
		point        float64
		want         verdict
		note         string
	}{
		"rate above":           {against("x", "x", perSecond, times(10)), scaled(12, 12.1), peer, true, 12.05, reached, ""},
		"rate below":           {against("x", "x", perSecond, times(10)), scaled(9, 9.1), peer, true, 9.05, missed, ""},
		"bar in the interval":  {against("x", "x", perSecond, times(10)), scaled(8, 14), peer, true, 10.58, missed, ""},
		"cost below":           {against("x", "x", seconds, within(0.4)), scaled(0.3, 0.31), peer, true, 0.305, reached, ""},
		"cost above":           {against("x", "x", seconds, within(0.4)), scaled(0.5), peer, true, 0.5, missed, ""},
		"speed of times":       {speed, scaled(0.25), peer, true, 4, reached, ""},
		"speed too low":        {speed, scaled(1), peer, true, 1, missed, ""},
		"report":               {against("x", "x", perSecond, bar{}), scaled(3), peer, true, 3, reporting, ""},
		"absolute below":       {against("x", "x", seconds, bar{absolute: 200}), peer, peer, true, 1, reached, ""},
		"absolute above":       {against("x", "x", seconds, bar{absolute: 50}), peer, peer, true, 1, missed, ""},
		"absolute, alone":      {against("x", "x", seconds, bar{absolute: 200}), peer, nil, false, 0, reached, ""},
		"nothing at all":       {against("x", "x", cpuShare, bar{absolute: 1}), make([]float64, 8), nil, false, 0, reached, ""},
		"no Python":            {against("x", "x", perSecond, times(10)), scaled(12), nil, false, 0, open, ""},
		"a ratio with nothing": {against("x", "x", perSecond, times(10)), make([]float64, 8), peer, true, 0, missed, "not positive"},
		"too few rounds":       {against("x", "x", perSecond, times(10)), []float64{1100, 1200}, []float64{100, 100}, true, 11.49, reached, ""},
		"nothing measured":     {against("x", "x", perSecond, times(10)), nil, nil, true, 0, missed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(c.row, rounds(c.row, c.mine, c.theirs), c.python)
			if math.Abs(got.ratio.Point-c.point) > 0.01*c.point {
				t.Errorf("ratio %v, want %v", got.ratio.Point, c.point)
			}
			if got.verdict != c.want {
				t.Errorf("verdict %q, want %q (%+v)", got.verdict, c.want, got.ratio)
			}
			if got.unclear != (name == "bar in the interval") {
				t.Errorf("unclear: %v", got.unclear)
			}
			if !strings.Contains(got.note, c.note) || c.note == "" && got.note != "" {
				t.Errorf("note %q", got.note)
			}
		})
	}
}

// Rounds in which one side failed have no pair; the failure is told, and the others count.
func TestVerdictWithFailures(t *testing.T) {
	r := against("x", "x", perSecond, times(2))
	used := rounds(r, []float64{30, 30, 30}, []float64{10, 10, 10})
	used[1].outcomes[0] = outcome{m: r.own.measurement, err: errors.New("exit status 3: it broke")}
	used[2].outcomes[1] = outcome{m: r.peer.measurement, values: values{"other": 1}}
	got := judge(r, used, true)
	if got.ratio.N != 1 || got.rounds != 3 || len(got.own) != 2 || got.verdict != reached {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.note, "did not return") {
		t.Errorf("note %q", got.note)
	}
	for i := range used {
		used[i].outcomes[1] = outcome{m: r.peer.measurement, err: errors.New("no module")}
	}
	if got := judge(r, used, true); got.verdict != missed || !strings.Contains(got.note, "Python: no module") {
		t.Errorf("%+v", got)
	}
}

func TestQuiet(t *testing.T) {
	r := against("x", "x", perSecond, times(2))
	used := rounds(r, []float64{30, 30, 30, 30}, []float64{10, 10, 10, 10})
	used[0].outcomes[0].outside = 0.2
	used[1].outcomes[1].outside = 0.2
	used[2].outcomes[1].outside = -1 // not known
	if got := judge(r, used, true); got.quiet != 2 || got.rounds != 4 || len(got.own) != 4 {
		t.Errorf("quiet %d of %d with %d figures", got.quiet, got.rounds, len(got.own))
	}
}

func TestGroups(t *testing.T) {
	m := func(s side, job string) measurement { return measurement{s, job, freely} }
	rows := []row{
		against("a", "", perSecond, bar{}),
		against("b", "", perSecond, bar{}),
		{own: measured(own, "alone", freely, "")},
		{own: measured(own, "a", freely, ""), peer: measured(python, "other", freely, "")},
		{own: measured(own, "c", freely, "x"), peer: measured(own, "c", freely, "y")},
		{own: measured(own, "c", freely, "x"), peer: measured(python, "b", freely, "")}, // joins two that are there
	}
	got := groups(rows, true)
	want := []group{
		{m(own, "alone")},
		{m(own, "a"), m(python, "a"), m(python, "other")},
		{m(own, "b"), m(python, "b"), m(own, "c")},
	}
	sorted := cmpopts.SortSlices(func(a, b measurement) bool { return a.String() < b.String() })
	if d := cmp.Diff(want, got, sorted, cmp.AllowUnexported(measurement{})); d != "" {
		t.Error(d)
	}
	for _, g := range groups(rows, false) {
		for _, m := range g {
			if m.side == python {
				t.Errorf("%v is measured without Python", m)
			}
		}
	}
}

func TestParseValues(t *testing.T) {
	for in, want := range map[string]values{
		`{"": 12.5}`: {"": 12.5},
		"a warning\n" + `{"fork":1,"spawn":2}` + "\n\n": {"fork": 1, "spawn": 2},
		`{"": 0}`: {"": 0},
	} {
		got, err := parseValues([]byte(in))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%q: %v %s", in, err, d)
		}
	}
	for in, want := range map[string]string{
		"":                       "nothing",
		"\n\n":                   "nothing",
		"{}":                     "no figure",
		"12":                     "no object",
		`{"": "fast"}`:           "no object",
		`{"": -1}`:               "is -1",
		`{"": 1e999}`:            "no object",
		`{"": NaN}`:              "no object",
		`{"":1}` + "\n" + `bang`: "bang",
	} {
		if v, err := parseValues([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v", in, v, err)
		}
	}
}

func TestOutside(t *testing.T) {
	at := time.Unix(1000, 0)
	sample := func(ms int, total, steal time.Duration, tick time.Duration) host.Sample {
		return host.Sample{At: at.Add(time.Duration(ms) * time.Millisecond), TotalNS: int64(total), StealNS: int64(steal), TickNS: int64(tick)}
	}
	ms := time.Millisecond
	for name, c := range map[string]struct {
		before, after host.Sample
		own           time.Duration
		want          float64
	}{
		"only this":         {sample(0, 0, 0, 1), sample(100, 150*ms, 0, 1), 150 * ms, 0},
		"others":            {sample(0, 0, 0, 1), sample(100, 150*ms, 0, 1), 120 * ms, 0.3},
		"clocks differ":     {sample(0, 0, 0, 1), sample(100, 150*ms, 0, 1), 151 * ms, 0},
		"stolen":            {sample(0, 0, 0, 1), sample(100, 0, 40*ms, 1), 0, 0.4},
		"one tick stolen":   {sample(0, 0, 0, 1), sample(100, 0, 10*ms, 1), 0, 0},
		"ticks too coarse":  {sample(0, 0, 0, 10*ms), sample(100, 0, 0, 10*ms), 0, -1},
		"ticks fine enough": {sample(0, 0, 0, 10*ms), sample(1000, 500*ms, 0, 10*ms), 0, 0.5},
		"no counters":       {host.Sample{}, host.Sample{}, 0, -1},
	} {
		if got := outside(c.before, c.after, c.own); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The attempt that counts is the one with the least disturbance, whatever it measured; one that worked beats one that
// failed.
func TestBetter(t *testing.T) {
	made := func(outside float64, err error) attempt {
		return attempt{outcomes: []outcome{{values: values{"": 1}, outside: outside, err: err}, {outside: -1}}}
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		a, b attempt
		want bool
	}{
		{made(0.1, nil), made(0.2, nil), true},
		{made(0.2, nil), made(0.1, nil), false},
		{made(0.1, nil), made(0.1, nil), false},
		{made(0.9, nil), made(0, broken), true},
		{made(0, broken), made(0.9, nil), false},
	} {
		if got := c.a.better(c.b); got != c.want {
			t.Errorf("%v better than %v: %v", c.a, c.b, got)
		}
	}
}

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		u    unit
		v    float64
		want string
	}{
		{perSecond, 0, "0 /s"},
		{perSecond, 245, "245 /s"},
		{perSecond, 999.6, "1.00 k/s"},
		{perSecond, 8712, "8.71 k/s"},
		{perSecond, 24.13e6, "24.1 M/s"},
		{bytesRate, 16.44e9, "16.4 GB/s"},
		{seconds, 26.2e-6, "26.2 µs"},
		{cpuShare, 0.0004, "0.40 CPU ms/s"},
	} {
		if got := amount(c.u, c.v); got != c.want {
			t.Errorf("%v %v: %q, want %q", c.v, c.u, got, c.want)
		}
	}
}

func TestPad(t *testing.T) {
	got := pad([][]string{{"work", "≥"}, {"a|b", "1 µs"}, {"long`er\ntext", ""}})
	want := "" +
		"| work         | ≥    |\n" +
		"|--------------|------|\n" +
		"| a\\|b         | 1 µs |\n" +
		"| long'er text |      |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestComplaint(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"it is late\n":                    "it is late",
		"Traceback:\n  at x\nKeyError: 1": "KeyError: 1",
		"panic: no memory\n\ngoroutine 1": "panic: no memory",
		"\xff\xfe":                        "?",
	} {
		if got := complaint([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
