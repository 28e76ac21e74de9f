package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/codec"
)

// compared compares the realistic run with one made of another noise, in which some cells changed.
func compared(t testing.TB, opt comparison.Options) *comparison.Report {
	t.Helper()
	base := runtest.RealisticSpec()
	head := runtest.RealisticSpec()
	base.Seed, head.Seed = 20261120, 20261121
	head.Environment.Kernel = "6.12.49"
	for i := range head.Workloads {
		for k := range head.Workloads[i].Cells {
			switch c := &head.Workloads[i].Cells[k]; {
			case c.Strategy == "pool" && c.Cores == 2 && i == 0:
				c.PerTask *= 1.09
			case c.Strategy == "threads" && i == 1:
				c.PerTask *= .9
			}
		}
	}
	a, b := runtest.Build(base), runtest.Build(head)
	b.Header.Plan.Seed = a.Header.Plan.Seed
	x, err := codec.FromRun(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := codec.FromRun(b)
	if err != nil {
		t.Fatal(err)
	}
	y.Series = y.Series[:len(y.Series)-9] // head lacks the last three benchmarks
	rep, err := comparison.Files(x, y, "base.jsonl", "head.jsonl", opt)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestComparisonGolden(t *testing.T) {
	rep := compared(t, comparison.Options{})
	for name, write := range map[string]func(*bytes.Buffer) error{
		"comparison-120.txt":    func(b *bytes.Buffer) error { return ComparisonText(b, rep, TextOptions{}) },
		"comparison-80.txt":     func(b *bytes.Buffer) error { return ComparisonText(b, rep, TextOptions{Width: 80}) },
		"comparison-colour.txt": func(b *bytes.Buffer) error { return ComparisonText(b, rep, TextOptions{Color: true, TimeUnit: "us"}) },
		"comparison.md":         func(b *bytes.Buffer) error { return ComparisonMarkdown(b, rep, MDOptions{}) },
		"comparison.json":       func(b *bytes.Buffer) error { return ComparisonJSON(b, rep) },
		"comparison.csv":        func(b *bytes.Buffer) error { return ComparisonCSV(b, rep) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.String())
		})
	}
}

// TestComparisonFits: no line is wider than the terminal, where words and names can be broken.
func TestComparisonFits(t *testing.T) {
	rep := compared(t, comparison.Options{Secondary: true})
	for _, width := range []int{80, 100, 120, 160} {
		var b bytes.Buffer
		if err := ComparisonText(&b, rep, TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(b.String(), "\n") {
			if w := text.StringWidthWithoutEscSequences(l); w > width {
				t.Errorf("%d columns at width %d: %q", w, width, l)
			}
		}
	}
}

// hostileName is a name that tries every back end.
const hostileName = "=x\x1b[31m\u202e|<b>@you\n::error::%0a[a](http://x)`"

func TestComparisonOfHostileNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	side := func(level float64) *codec.Suite {
		s := &codec.Suite{Tool: hostileName, Env: map[string]string{hostileName: hostileName + string(rune('a'+int(level)))}}
		for _, n := range []string{hostileName, "two" + hostileName} {
			x := codec.Series{Group: hostileName, Name: n, Metric: hostileName, Unit: hostileName, Better: codec.Lower, Failed: 1, Reason: hostileName}
			for range 8 {
				x.Samples = append(x.Samples, codec.Sample{Value: level * (1 + .01*rng.Float64())})
			}
			s.Series = append(s.Series, x)
		}
		only := s.Series[0]
		only.Name = hostileName + string(rune('a'+int(level)))
		s.Series = append(s.Series, only)
		s.Warnings = []string{hostileName}
		return s
	}
	rep, err := comparison.Files(side(1), side(2), hostileName, hostileName, comparison.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var txt, md, js, table bytes.Buffer
	for _, err := range []error{
		ComparisonText(&txt, rep, TextOptions{}), ComparisonMarkdown(&md, rep, MDOptions{}), ComparisonJSON(&js, rep), ComparisonCSV(&table, rep),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{txt.String(), md.String(), table.String()} {
		if strings.ContainsAny(s, "\x1b\u202e") {
			t.Errorf("a control character gets through: %q", s)
		}
	}
	for _, l := range strings.Split(txt.String(), "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "::") {
			t.Errorf("a line of text is a command of a CI system: %q", l)
		}
	}
	for _, bad := range []string{"<b>", "@you", "\n::", "[a](http"} {
		if strings.Contains(md.String(), bad) {
			t.Errorf("Markdown holds %q", bad)
		}
	}
	var doc struct {
		Families []struct{ Rows []struct{ Name string } }
	}
	if err := json.Unmarshal(js.Bytes(), &doc); err != nil || doc.Families[0].Rows[0].Name != hostileName {
		t.Errorf("JSON does not keep the name: %v %+v", err, doc)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%v, %d rows", err, len(rows))
	}
	for _, cell := range rows[1] {
		if strings.HasPrefix(cell, "=") {
			t.Errorf("a spreadsheet takes %q for a formula", cell)
		}
	}
}

// TestComparisonJSONAndCSVAgree reads both back.
func TestComparisonJSONAndCSVAgree(t *testing.T) {
	rep := compared(t, comparison.Options{Secondary: true})
	var js, table bytes.Buffer
	if err := ComparisonJSON(&js, rep); err != nil {
		t.Fatal(err)
	}
	if err := ComparisonCSV(&table, rep); err != nil {
		t.Fatal(err)
	}
	var doc comparisonJSON
	if err := json.Unmarshal(js.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want, got [][]string
	for _, f := range doc.Families {
		for _, r := range f.Rows {
			value := ""
			if r.Ratio != nil {
				value = csvNumber(&r.Ratio.Value)
			}
			want = append(want, []string{f.Metric, r.Name, r.Verdict, value, csvNumber(r.Q)})
		}
	}
	for _, r := range rows[1:] {
		got = append(got, []string{r[0], r[4], r[5], r[6], r[11]})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-JSON +CSV:\n%s", d)
	}
}
