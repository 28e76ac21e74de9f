package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/analysis/scaling"
)

// ScalingText writes a run's scaling for a terminal: for each workload speedup, efficiency and Karp–Flatt fraction by core
// count, the models, and a finding for each strategy. Its only error is w's.
func ScalingText(w io.Writer, rep *scaling.Report, opt TextOptions) error {
	p := newPrinter(opt)
	if run := rep.Analysis.Run; run != nil {
		p.b.WriteString(p.ink.paint(bold, "scaling of run "+EscapeTerminal(run.Header.ID)) + "\n")
	}
	for _, x := range runWarnings(rep.Analysis) {
		p.warning("", x)
	}
	if len(rep.Tables) == 0 {
		p.para("", noScaling)
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		p.b.WriteByte('\n')
		p.b.WriteString(p.ink.paint(bold, EscapeTerminal(t.Key)) + " · " + EscapeTerminal(t.Kind) + "\n\n")
		p.grid(pointsGrid(t.Series))
		if modelled(t.Series) {
			p.b.WriteByte('\n')
			p.grid(modelsGrid(t.Series))
		}
		p.b.WriteByte('\n')
		for _, f := range findings(t.Series) {
			p.para("", EscapeTerminal(f))
		}
		if s := ceilingLine(t.Ceiling); s != "" {
			p.para("", s)
		}
	}
	p.b.WriteByte('\n')
	p.para("", p.ink.paint(dim, scalingLegend))
	return p.writeTo(w)
}

const noScaling = "Nothing was measured on two core counts; measure with -c 1,2,4 or -c all."

const scalingLegend = "Model: X(N) = γN / (1 + α(N−1) + β·N(N−1)); linear has α = β = 0, Amdahl β = 0, USL all three. Intervals are t intervals of one value for each N. " +
	"Chosen is the simplest model that the data do not reject at 5 %. No model is used beyond twice the largest N."

// SeriesText writes the scaling of points from anywhere for a terminal. Its only error is w's.
func SeriesText(w io.Writer, s *scaling.Series, opt TextOptions) error {
	p := newPrinter(opt)
	p.b.WriteString(p.ink.paint(bold, EscapeTerminal(s.Name)) + "\n\n")
	list := []scaling.Series{*s}
	p.grid(pointsGrid(list))
	p.b.WriteByte('\n')
	p.grid(modelsGrid(list))
	p.b.WriteByte('\n')
	p.para("", EscapeTerminal(s.Finding))
	p.b.WriteByte('\n')
	p.para("", p.ink.paint(dim, scalingLegend))
	return p.writeTo(w)
}

// runWarnings are those of the whole run without which what follows misleads.
func runWarnings(rep *analysis.Report) (out []analysis.Warning) {
	for _, w := range rep.Warnings {
		if urgent(w) {
			out = append(out, w)
		}
	}
	return out
}

// about names the run and what limits it.
func (p *page) about(rep *analysis.Report) {
	if rep.Run != nil {
		p.f("Run %s.\n\n", EscapeMarkdown(rep.Run.Header.ID))
	}
	p.bullets(runWarnings(rep))
}

// ScalingMarkdown writes a run's scaling as GitHub Markdown. Plots stand below the table of their workload. Its only error
// is w's.
func ScalingMarkdown(w io.Writer, rep *scaling.Report, opt MDOptions) error {
	p := page{opt: opt}
	title := opt.Title
	if title == "" {
		title = "How the strategies scale"
	}
	p.f("# %s\n\n", EscapeMarkdown(title))
	p.about(rep.Analysis)
	if len(rep.Tables) == 0 {
		p.f("%s\n\n", noScaling)
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		p.f("## Workload %s\n\n", EscapeMarkdown(t.Key))
		p.b.WriteString(pointsGrid(t.Series).markdown() + "\n")
		if modelled(t.Series) {
			p.b.WriteString(modelsGrid(t.Series).markdown() + "\n")
		}
		for _, f := range findings(t.Series) {
			p.f("- %s\n", EscapeMarkdown(f))
		}
		if s := ceilingLine(t.Ceiling); s != "" {
			p.f("- %s\n", EscapeMarkdown(s))
		}
		p.f("\n")
		p.plots(t.Key)
	}
	p.f("<sub>%s</sub>\n", EscapeMarkdown(scalingLegend))
	return p.writeTo(w)
}

// SeriesMarkdown writes the scaling of points from anywhere as GitHub Markdown. Its only error is w's.
func SeriesMarkdown(w io.Writer, s *scaling.Series, opt MDOptions) error {
	p := page{opt: opt}
	list := []scaling.Series{*s}
	p.f("# Scaling of %s\n\n", EscapeMarkdown(s.Name))
	p.b.WriteString(pointsGrid(list).markdown() + "\n" + modelsGrid(list).markdown() + "\n")
	p.f("**Finding.** %s\n\n", EscapeMarkdown(s.Finding))
	p.plots("")
	p.f("<sub>%s</sub>\n", EscapeMarkdown(scalingLegend))
	return p.writeTo(w)
}

// modelled reports whether any of the series has a model.
func modelled(list []scaling.Series) bool {
	for i := range list {
		if len(list[i].Models) > 0 {
			return true
		}
	}
	return false
}

func findings(list []scaling.Series) []string {
	var out []string
	for i := range list {
		s := list[i].Finding
		if len(list[i].FailedPoints) > 0 {
			s += " Failed: " + strings.Join(list[i].FailedPoints, "; ") + "."
		}
		out = append(out, s)
	}
	return out
}

func ceilingLine(list []analysis.CeilingPoint) string {
	var parts []string
	for _, c := range list {
		if c.Cores > 1 && c.Speedup.N > 0 {
			parts = append(parts, fmt.Sprintf("%s on %d cores", estimate(c.Speedup), c.Cores))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Machine ceiling: pinned threads of busy work reach " + strings.Join(parts, ", ") + "."
}

// pointsGrid has a row for each N of each series.
func pointsGrid(list []scaling.Series) *grid {
	var x, eff, serial estimates
	speedup := true
	for i := range list {
		speedup = speedup && list[i].Speedup
		for _, q := range list[i].Points {
			x.add(q.X, 1)
			eff.add(q.Efficiency, 1)
			serial.add(q.Serial, 1)
		}
	}
	what, first := "throughput", "series"
	if speedup {
		what, first = "speedup", "strategy"
	}
	head := func(name string, e *estimates) (string, string) {
		if l := e.level(); l != "" {
			return name + "\n[" + l + "]", name + ", " + l + " interval"
		}
		return name, name
	}
	xHead, xLong := head(what, &x)
	eHead, eLong := head("efficiency", &eff)
	kHead, kLong := head("Karp–Flatt", &serial)
	g := &grid{cols: []column{
		{head: first, long: first, left: true, wrap: true}, {head: "N", long: "N"}, {head: xHead, long: xLong},
		{head: eHead, long: eLong, drop: 1}, {head: kHead, long: kLong, drop: 2}, {head: "n", long: "n", drop: 3},
	}}
	xs, es, ks := x.cells(), eff.cells(), serial.cells()
	k := 0
	for i := range list {
		for _, q := range list[i].Points {
			g.lines = append(g.lines, line{[]string{list[i].Name, plainNumber(q.N), xs[k], es[k], ks[k], strconv.Itoa(q.X.N)}, plain})
			k++
		}
	}
	return g
}

// modelsGrid has a row for each series: the chosen model, or that there is none.
func modelsGrid(list []scaling.Series) *grid {
	g := &grid{cols: []column{
		{head: "strategy", long: "strategy", left: true, wrap: true}, {head: "model", long: "model", left: true},
		{head: "γ", long: "γ, throughput of one", drop: 3}, {head: "α", long: "α, contention"}, {head: "β", long: "β, coherency"},
		{head: "β at\nmost", long: "upper bound of β", drop: 1}, {head: "peak N", long: "N of the highest throughput", drop: 2},
		{head: "limit", long: "limit without β", drop: 4}, {head: "residual", long: "residual deviation", drop: 5},
	}}
	if len(list) > 0 && !list[0].Speedup {
		g.cols[0].head, g.cols[0].long = "series", "series"
	}
	for i := range list {
		s := &list[i]
		bound := absent
		if s.BetaBound.N > 0 && s.BetaBound.Level > 0 {
			bound = scientific(s.BetaBound.Hi)
		}
		if s.Chosen == nil {
			g.lines = append(g.lines, line{[]string{s.Name, "none", absent, absent, absent, bound, absent, absent, absent}, faint})
			continue
		}
		f := s.Chosen
		limit, peak := absent, absent
		if f.Limit > 0 {
			limit = quantity.Digits(f.Limit, 3)
		}
		switch {
		case f.Peak.N > 0 && f.PeakBeyond:
			peak = "> " + plainNumber(2*s.Largest)
		case f.Peak.N > 0:
			peak = parameter(f.Peak)
		}
		sigma := absent
		if f.Sigma > 0 {
			sigma = scientific(f.Sigma)
		}
		g.lines = append(g.lines, line{[]string{s.Name, string(f.Model), parameter(f.Gamma), parameter(f.Alpha), parameter(f.Beta), bound, peak, limit, sigma}, plain})
	}
	return g
}

// parameter writes a parameter with its interval; small ones with an exponent.
func parameter(i analysis.Interval) string {
	if i.N == 0 {
		return absent
	}
	if !i.Has() {
		return scientific(i.Point)
	}
	if math.Max(math.Abs(i.Point), math.Abs(i.Hi)) >= 1e-3 {
		return estimate(i)
	}
	return fmt.Sprintf("%s [%s, %s]", scientific(i.Point), scientific(i.Lo), scientific(i.Hi))
}

// scientific writes a number with three digits, with an exponent where it is small.
func scientific(v float64) string {
	if v != 0 && math.Abs(v) < 1e-3 {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return quantity.Digits(v, 3)
}

func plainNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

type fitJSON struct {
	Model    string        `json:"model"`
	Gamma    *intervalJSON `json:"gamma"`
	Alpha    *intervalJSON `json:"alpha"`
	Beta     *intervalJSON `json:"beta"`
	Peak     *intervalJSON `json:"peak,omitempty"`
	Beyond   bool          `json:"peak_beyond_data,omitempty"`
	Limit    *float64      `json:"limit,omitempty"`
	Residual *float64      `json:"residual,omitempty"`
	DF       int           `json:"degrees_of_freedom"`
}

type pointJSON struct {
	N          float64       `json:"n"`
	X          *intervalJSON `json:"x"`
	Efficiency *intervalJSON `json:"efficiency,omitempty"`
	Serial     *intervalJSON `json:"karp_flatt,omitempty"`
	Samples    int           `json:"samples"`
}

// seriesJSON has the chosen model's parameters at its own level: alpha, beta, gamma, peak and limit are null without one.
type seriesJSON struct {
	Name      string        `json:"name"`
	X         string        `json:"x"`
	Model     *string       `json:"model"`
	Reason    string        `json:"reason"`
	Alpha     *intervalJSON `json:"alpha"`
	Beta      *intervalJSON `json:"beta"`
	Gamma     *intervalJSON `json:"gamma"`
	Peak      *intervalJSON `json:"peak"`
	Beyond    bool          `json:"peak_beyond_data"`
	Limit     *float64      `json:"limit"`
	BetaBound *float64      `json:"beta_upper_bound"`
	BetaLevel *float64      `json:"beta_upper_bound_level"`
	AmdahlP   float64       `json:"p_linear_against_amdahl"`
	USLP      float64       `json:"p_amdahl_against_usl"`
	Flags     []string      `json:"flags"`
	Largest   float64       `json:"largest_n"`
	Finding   string        `json:"finding"`
	Failed    []string      `json:"failed,omitempty"`
	Models    []fitJSON     `json:"models"`
	Points    []pointJSON   `json:"points"`
}

func fitOf(f *scaling.Fit) fitJSON {
	out := fitJSON{Model: string(f.Model), Gamma: intervalOf(f.Gamma), Alpha: parameterOf(f.Alpha), Beta: parameterOf(f.Beta),
		Peak: intervalOf(f.Peak), Beyond: f.PeakBeyond, Limit: known(f.Limit, f.Limit > 0), Residual: known(f.Sigma, f.Sigma > 0), DF: f.DF}
	return out
}

// parameterOf is intervalOf for a parameter: one that the model does not have is 0, without an interval.
func parameterOf(i analysis.Interval) *intervalJSON {
	if i.N == 0 {
		return &intervalJSON{}
	}
	return intervalOf(i)
}

func seriesOf(s *scaling.Series) seriesJSON {
	out := seriesJSON{Name: s.Name, X: "throughput", Reason: s.Reason, AmdahlP: s.AmdahlP, USLP: s.USLP, Flags: []string{}, Largest: s.Largest,
		Finding: s.Finding, Failed: s.FailedPoints, Models: []fitJSON{}, Points: []pointJSON{}}
	if s.Speedup {
		out.X = "speedup"
	}
	out.Flags = append(out.Flags, s.Flags...)
	if s.BetaBound.N > 0 && s.BetaBound.Level > 0 {
		out.BetaBound, out.BetaLevel = known(s.BetaBound.Hi, true), known(s.BetaBound.Level, true)
	}
	for i := range s.Models {
		out.Models = append(out.Models, fitOf(&s.Models[i]))
	}
	if s.Chosen != nil {
		f := fitOf(s.Chosen)
		out.Model, out.Alpha, out.Beta, out.Gamma, out.Peak, out.Beyond, out.Limit = &f.Model, f.Alpha, f.Beta, f.Gamma, f.Peak, f.Beyond, f.Limit
	}
	for _, q := range s.Points {
		out.Points = append(out.Points, pointJSON{q.N, intervalOf(q.X), intervalOf(q.Efficiency), intervalOf(q.Serial), q.X.N})
	}
	return out
}

// SeriesJSON writes the scaling of points from anywhere as the JSON document of docs/scaling.md. Its only error is w's.
func SeriesJSON(w io.Writer, s *scaling.Series) error {
	return writeJSON(w, struct {
		Schema  string `json:"schema"`
		Version int    `json:"version"`
		seriesJSON
	}{"parbench/scaling-points", 1, seriesOf(s)})
}

// ceilingJSON is the machine's own scaling on so many cores.
type ceilingJSON struct {
	Cores   int           `json:"cores"`
	Speedup *intervalJSON `json:"speedup"`
}

func ceilingsOf(list []analysis.CeilingPoint) []ceilingJSON {
	out := []ceilingJSON{}
	for _, c := range list {
		if c.Speedup.N > 0 {
			out = append(out, ceilingJSON{c.Cores, intervalOf(c.Speedup)})
		}
	}
	return out
}

// ScalingJSON writes a run's scaling as the JSON document of docs/scaling.md. Its only error is w's.
func ScalingJSON(w io.Writer, rep *scaling.Report) error {
	type table struct {
		Workload string        `json:"workload"`
		Kind     string        `json:"kind"`
		Waits    bool          `json:"waits"`
		Ceiling  []ceilingJSON `json:"machine_ceiling"`
		Series   []seriesJSON  `json:"strategies"`
	}
	doc := struct {
		Schema     string        `json:"schema"`
		Version    int           `json:"version"`
		Run        string        `json:"run"`
		Confidence float64       `json:"confidence"`
		Unweighted bool          `json:"unweighted"`
		Tables     []table       `json:"workloads"`
		Warnings   []warningJSON `json:"warnings"`
	}{Schema: "parbench/scaling", Version: 1, Warnings: warningsOf(rep.Analysis.Warnings), Confidence: rep.Options.Level, Unweighted: rep.Options.Unweighted, Tables: []table{}}
	if rep.Analysis.Run != nil {
		doc.Run = rep.Analysis.Run.Header.ID
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		x := table{Workload: t.Key, Kind: t.Kind, Waits: t.Waits, Ceiling: ceilingsOf(t.Ceiling), Series: []seriesJSON{}}
		for k := range t.Series {
			x.Series = append(x.Series, seriesOf(&t.Series[k]))
		}
		doc.Tables = append(doc.Tables, x)
	}
	return writeJSON(w, doc)
}

// ScalingCSV writes a row for each N of each strategy. Its only errors are w's.
func ScalingCSV(w io.Writer, rep *scaling.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	rows := [][]string{seriesHead}
	for i := range rep.Tables {
		for k := range rep.Tables[i].Series {
			rows = append(rows, seriesRows(rep.Tables[i].Key, &rep.Tables[i].Series[k])...)
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	return out.Error()
}

// SeriesCSV is ScalingCSV for points from anywhere.
func SeriesCSV(w io.Writer, s *scaling.Series) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.WriteAll(append([][]string{seriesHead}, seriesRows("", s)...)); err != nil {
		return err
	}
	return out.Error()
}

var seriesHead = []string{"workload", "strategy", "n", "quantity", "x", "x_low", "x_high", "x_level", "efficiency", "karp_flatt", "samples", "model", "alpha", "beta", "gamma", "fitted", "fitted_low", "fitted_high"}

func seriesRows(workload string, s *scaling.Series) (rows [][]string) {
	doc := seriesOf(s)
	value := func(i *intervalJSON) string {
		if i == nil {
			return ""
		}
		return csvNumber(&i.Value)
	}
	model := ""
	if doc.Model != nil {
		model = *doc.Model
	}
	for k, q := range doc.Points {
		var curve *intervalJSON
		if s.Chosen != nil {
			if iv, ok := s.Chosen.At(s.Points[k].N); ok {
				curve = intervalOf(iv)
			}
		}
		low, high := (*float64)(nil), (*float64)(nil)
		if curve != nil {
			low, high = curve.Low, curve.High
		}
		rows = append(rows, []string{csvCell(workload), csvCell(s.Name), plainNumber(q.N), doc.X, value(q.X), csvNumber(q.X.Low), csvNumber(q.X.High), csvNumber(q.X.Level),
			value(q.Efficiency), value(q.Serial), strconv.Itoa(q.Samples), model, value(doc.Alpha), value(doc.Beta), value(doc.Gamma), value(curve), csvNumber(low), csvNumber(high)})
	}
	return rows
}
