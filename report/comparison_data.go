package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
)

// intervalJSON is an estimate in JSON. Low, high and level are absent where the data support no interval.
type intervalJSON struct {
	Value float64  `json:"value"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
	Level *float64 `json:"level,omitempty"`
}

func intervalOf(i analysis.Interval) *intervalJSON {
	if i.N == 0 || !finite(i.Point) {
		return nil
	}
	out := &intervalJSON{Value: i.Point}
	if i.Has() && finite(i.Lo) && finite(i.Hi) {
		out.Low, out.High, out.Level = &i.Lo, &i.Hi, &i.Level
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// known is a pointer to a finite number that is known, nil otherwise.
func known(v float64, is bool) *float64 {
	if !is || !finite(v) {
		return nil
	}
	return &v
}

type warningJSON struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Text     string `json:"text"`
	Remedy   string `json:"remedy"`
}

func warningsOf(list []analysis.Warning) []warningJSON {
	out := []warningJSON{}
	for _, w := range list {
		out = append(out, warningJSON{severity(w.Severity), w.Code, w.Text, w.Remedy})
	}
	return out
}

type sideJSON struct {
	N           int      `json:"n"`
	Median      *float64 `json:"median,omitempty"`
	Failed      int      `json:"failed,omitempty"`
	Reason      string   `json:"reason,omitempty"`
	Disturbed   int      `json:"disturbed,omitempty"`
	SameProcess bool     `json:"same_process,omitempty"`
}

func sideOf(s comparison.Side) sideJSON {
	return sideJSON{s.N, known(s.Median, s.N > 0), s.Failed, s.Reason, s.Disturbed, s.SameProcess}
}

type rowJSON struct {
	Group       string        `json:"group,omitempty"`
	Name        string        `json:"name"`
	Verdict     string        `json:"verdict"`
	Symbol      string        `json:"symbol"`
	Ratio       *intervalJSON `json:"ratio,omitempty"`
	P           *float64      `json:"p,omitempty"`
	Q           *float64      `json:"q,omitempty"`
	EquivalentP *float64      `json:"equivalent_p,omitempty"`
	Detectable  *float64      `json:"detectable,omitempty"`
	Pairs       int           `json:"pairs,omitempty"`
	Need        int           `json:"need,omitempty"`
	Undecidable string        `json:"undecidable,omitempty"`
	Unequal     string        `json:"unequal_work,omitempty"`
	Digest      bool          `json:"different_results,omitempty"`
	Base        sideJSON      `json:"base"`
	Head        sideJSON      `json:"head"`
}

type familyJSON struct {
	Metric    string         `json:"metric"`
	Unit      string         `json:"unit"`
	Better    string         `json:"better"`
	Secondary bool           `json:"secondary,omitempty"`
	Finding   string         `json:"finding"`
	Counts    map[string]int `json:"counts"`
	Tests     int            `json:"tests"`
	Floor     int            `json:"floor"`
	Geomean   *intervalJSON  `json:"geometric_mean,omitempty"`
	Over      string         `json:"geometric_mean_over,omitempty"`
	Rows      []rowJSON      `json:"rows"`
}

type sourceJSON struct {
	Label   string `json:"label"`
	Tool    string `json:"tool"`
	Version string `json:"version,omitempty"`
	Run     string `json:"run,omitempty"`
}

type missingJSON struct {
	Group  string `json:"group,omitempty"`
	Name   string `json:"name"`
	Metric string `json:"metric"`
}

type differenceJSON struct {
	Field string `json:"field"`
	Base  string `json:"base,omitempty"`
	Head  string `json:"head,omitempty"`
}

// sidesJSON says what was compared, and how it was measured.
type sidesJSON struct {
	Base   sourceJSON `json:"base"`
	Head   sourceJSON `json:"head"`
	Paired bool       `json:"paired"`
	Drift  bool       `json:"protected_against_drift"`
}

func sidesOf(rep *comparison.Report) sidesJSON {
	return sidesJSON{sourceJSON(rep.Base), sourceJSON(rep.Head), rep.Paired, rep.Paired}
}

// limitsJSON says what limits a comparison.
type limitsJSON struct {
	OnlyBase    []missingJSON    `json:"only_base"`
	OnlyHead    []missingJSON    `json:"only_head"`
	Environment []differenceJSON `json:"environment"`
	Warnings    []warningJSON    `json:"warnings"`
}

func limitsOf(rep *comparison.Report) limitsJSON {
	out := limitsJSON{missingOf(rep.OnlyBase), missingOf(rep.OnlyHead), []differenceJSON{}, warningsOf(rep.Warnings)}
	for _, d := range rep.Environment {
		out.Environment = append(out.Environment, differenceJSON(d))
	}
	return out
}

type comparisonJSON struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	sidesJSON
	Alpha      float64        `json:"alpha"`
	MinEffect  float64        `json:"min_effect"`
	Confidence float64        `json:"confidence"`
	Finding    string         `json:"finding"`
	Counts     map[string]int `json:"counts"`
	Families   []familyJSON   `json:"families"`
	Control    []rowJSON      `json:"control,omitempty"`
	limitsJSON
}

// ComparisonJSON writes a comparison as the JSON document that docs/compare.md describes: base units, no NaN and no
// infinity, nothing rounded. The only errors are w's.
func ComparisonJSON(w io.Writer, rep *comparison.Report) error {
	doc := comparisonJSON{
		Schema: "parbench/comparison", Version: 1, sidesJSON: sidesOf(rep),
		Alpha: rep.Options.Alpha, MinEffect: rep.Options.MinEffect, Confidence: rep.Options.Confidence, Finding: rep.Finding,
		Counts: map[string]int{}, Families: familiesOf(rep.Families), Control: rowsOf(rep.Control), limitsJSON: limitsOf(rep),
	}
	for _, v := range comparison.Verdicts() {
		doc.Counts[string(v)] = rep.Count(v)
	}
	return writeJSON(w, doc)
}

// familiesOf turns families into JSON.
func familiesOf(list []comparison.Family) []familyJSON {
	out := []familyJSON{}
	for i := range list {
		f := &list[i]
		x := familyJSON{Metric: f.Metric, Unit: f.Unit, Better: f.Better.String(), Secondary: f.Secondary, Finding: f.Finding,
			Counts: map[string]int{}, Tests: f.Tests, Floor: f.Floor, Geomean: intervalOf(f.Geomean), Rows: []rowJSON{}}
		if x.Geomean != nil {
			x.Over = string(f.GeomeanOver)
		}
		for _, v := range comparison.Verdicts() {
			x.Counts[string(v)] = f.Count(v)
		}
		x.Rows = append(x.Rows, rowsOf(f.Rows)...)
		out = append(out, x)
	}
	return out
}

func rowsOf(list []comparison.Row) (out []rowJSON) {
	for i := range list {
		r := &list[i]
		out = append(out, rowJSON{
			Group: r.Group, Name: r.Name, Verdict: string(r.Verdict), Symbol: r.Verdict.Symbol(), Ratio: intervalOf(r.Ratio),
			P: known(r.P, r.Tested), Q: known(r.Q, r.Tested), EquivalentP: known(r.EquivalentP, r.Tested), Detectable: known(r.Detectable, r.Detectable > 0),
			Pairs: r.Pairs, Need: r.Need, Undecidable: r.Undecidable, Unequal: r.Unequal, Digest: r.Digest, Base: sideOf(r.Base), Head: sideOf(r.Head),
		})
	}
	return out
}

func missingOf(list []comparison.Missing) []missingJSON {
	out := []missingJSON{}
	for _, m := range list {
		out = append(out, missingJSON{m.Group, m.Name, m.Metric})
	}
	return out
}

// writeJSON writes an indented document. Characters that act on a terminal are escaped by the encoder, except C1 and format
// characters, which JSON allows and readers of JSON expect as they are.
func writeJSON(w io.Writer, doc any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

// ComparisonCSV writes a comparison as RFC 4180 CSV, a row for each comparison, in base units. Text that a spreadsheet would
// take for a formula gets an apostrophe in front. The only errors are w's.
func ComparisonCSV(w io.Writer, rep *comparison.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	rows := [][]string{{
		"metric", "unit", "better", "group", "name", "verdict", "ratio", "ratio_low", "ratio_high", "ratio_level", "p", "q", "equivalent_p",
		"detectable", "pairs", "base_n", "base_median", "head_n", "head_median", "need", "undecidable", "unequal_work", "different_results",
	}}
	for i := range rep.Families {
		f := &rep.Families[i]
		for k := range f.Rows {
			r := &f.Rows[k]
			ratio := intervalOf(r.Ratio)
			if ratio == nil {
				ratio = &intervalJSON{}
			}
			value := known(r.Ratio.Point, r.Ratio.N > 0)
			rows = append(rows, []string{
				csvCell(f.Metric), csvCell(f.Unit), f.Better.String(), csvCell(r.Group), csvCell(r.Name), string(r.Verdict),
				csvNumber(value), csvNumber(ratio.Low), csvNumber(ratio.High), csvNumber(ratio.Level),
				csvNumber(known(r.P, r.Tested)), csvNumber(known(r.Q, r.Tested)), csvNumber(known(r.EquivalentP, r.Tested)),
				csvNumber(known(r.Detectable, r.Detectable > 0)), strconv.Itoa(r.Pairs), strconv.Itoa(r.Base.N), csvNumber(known(r.Base.Median, r.Base.N > 0)),
				strconv.Itoa(r.Head.N), csvNumber(known(r.Head.Median, r.Head.N > 0)), strconv.Itoa(r.Need), csvCell(r.Undecidable), csvCell(r.Unequal),
				strconv.FormatBool(r.Digest),
			})
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	return out.Error()
}

func csvNumber(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// csvCell makes text harmless for terminals and spreadsheets.
func csvCell(s string) string {
	s = EscapeTerminal(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
