package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/gating"
	"github.com/parbench/parbench/results/codec"
)

// nasty is a name that means something to every back end.
const nasty = "a|b`c` <b>&\x1b[31m ::error::x\r\n%0A,@user #1 ]]>"

// gateOutcome has a row of every verdict, with names that nobody should trust.
func gateOutcome(t *testing.T) *gating.Outcome {
	t.Helper()
	o := &gating.Outcome{Verdict: gating.Regressed, Rule: gating.Options{MinEffect: .02, Looks: 3, Confidence: .95}, Level: .0221, Looks: 2, Pairs: 100, Repeated: 3, Seconds: 12.5}
	o.Base.Label, o.Head.Label, o.Report.Paired = "./old "+nasty, "./new", true
	o.Options = comparison.Options{Alpha: .0221, MinEffect: .02, Confidence: .95}
	side := comparison.Side{N: 25, Median: 1e-3}
	iv := func(v float64) analysis.Interval {
		return analysis.Interval{Point: v, Lo: v - .01, Hi: v + .01, Level: .95, N: 25}
	}
	row := func(name string, v comparison.Verdict, ratio float64) comparison.Row {
		return comparison.Row{Name: name, Base: side, Head: side, Ratio: iv(ratio), Pairs: 25, Tested: true, P: .001, Q: .003, Detectable: .01, Verdict: v}
	}
	open := row("open", comparison.Inconclusive, 1.02)
	open.Need = 80
	failed := comparison.Row{Name: "broken", Verdict: comparison.Inconclusive, Undecidable: "failed in head", P: 1, Q: 1}
	o.Families = []comparison.Family{{Kind: comparison.Kind{Metric: "time", Unit: "s/task", Better: codec.Lower}, Paired: true, Tests: 4, Rows: []comparison.Row{
		row(nasty, comparison.Regressed, 1.08), row("fast", comparison.Improved, .9), row("same", comparison.Equivalent, 1), open, failed,
	}}}
	o.Details = [][]gating.Detail{{
		{Looks: 1, Confirmation: gating.Confirmation{Pairs: 10, P: .002, Ratio: iv(1.07), Confirmed: true}}, {Looks: 1}, {Looks: 1},
		{Looks: 2, Why: "neither a change beyond 2 % nor the absence of one was shown"}, {Why: "failed in head"},
	}}
	o.Failures = []gating.Failure{{Side: "head", Name: "broken", Status: results.Crashed, Reason: "status 3 " + nasty, Stderr: "oh\n::error::no\x1b[2J"}}
	o.Warnings = []analysis.Warning{{Severity: analysis.Error, Code: comparison.CodeFailed, Text: "broken failed", Remedy: "mend it"}}
	o.Finding = "Regressed: " + nasty + "."
	return o
}

// safe checks what no output may contain, whatever the names are.
func safe(t *testing.T, what, s string) {
	t.Helper()
	for _, bad := range []string{"\x1b", "\r", "NaN", "\n::error::", "\x00"} {
		if strings.Contains(s, bad) {
			t.Errorf("%s contains %q:\n%s", what, bad, s)
		}
	}
}

func TestGateText(t *testing.T) {
	var b bytes.Buffer
	if err := GateText(&b, gateOutcome(t), TextOptions{Width: 120}); err != nil {
		t.Fatal(err)
	}
	safe(t, "text", b.String())
	for _, want := range []string{"▲ gate: regressed", "interleaved pairs of fresh processes", "▼ improved", "= equivalent", "about 80 pairs would decide it",
		"confirmed by 10 new pairs, which alone show +7.0 %", "p = .002", "broken failed in head", "│ oh", "100 pairs at 2 looks in 12.5 s; 3 pairs repeated"} {
		if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if err := GateText(io.Discard, gateOutcome(t), TextOptions{TimeUnit: "years"}); err == nil {
		t.Error("a unit of years is taken")
	}
}

func TestGateMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := GateMarkdown(&b, gateOutcome(t), MDOptions{}); err != nil {
		t.Fatal(err)
	}
	s := b.String()
	safe(t, "Markdown", s)
	if !strings.HasPrefix(s, "## ▲ gate: regressed\n") || !strings.Contains(s, "| = equivalent") || strings.Contains(s, "<b>") || strings.Contains(s, "@user") {
		t.Error(s)
	}
	// Names are those of their owners: no sentence gives them a capital letter.
	o := gateOutcome(t)
	o.Head.Label = "sleep 1"
	var named bytes.Buffer
	if err := GateMarkdown(&named, o, MDOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"*sleep 1 (head) against", "**Failed.** broken failed in head"} {
		if !strings.Contains(named.String(), want) {
			t.Errorf("no %q in\n%s", want, named.String())
		}
	}
	// Each row of the table has as many cells as its head: no name breaks out.
	cells := 0
	for _, l := range strings.Split(s, "\n") {
		if strings.HasPrefix(l, "|") {
			n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
			if cells == 0 {
				cells = n
			}
			if n != cells {
				t.Errorf("%d cells, want %d: %s", n, cells, l)
			}
		}
	}
}

func TestGateJSON(t *testing.T) {
	var b bytes.Buffer
	if err := GateJSON(&b, gateOutcome(t)); err != nil {
		t.Fatal(err)
	}
	safe(t, "JSON", b.String())
	var doc struct {
		Schema, Verdict string
		Families        []struct {
			Metric string
			Rows   []struct {
				Name, Verdict, Why string
				Looks, Need        int
				Confirmation       *struct {
					Pairs     int
					Confirmed bool
				}
			}
		}
		Failures []struct{ Side, Stderr string }
		Counts   map[string]int
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	r := doc.Families[0].Rows
	if doc.Schema != "parbench/gate" || doc.Verdict != "regressed" || len(r) != 5 || r[0].Name != nasty || !r[0].Confirmation.Confirmed || r[3].Need != 80 || r[3].Confirmation != nil {
		t.Errorf("%+v", doc)
	}
	if doc.Counts["regressed"] != 1 || doc.Counts["inconclusive"] != 2 || doc.Failures[0].Stderr == "" {
		t.Errorf("%+v", doc)
	}
}

// What JUnit's schema asks for, as CI systems read it: elements and attributes by name, counts that agree with the cases.
func TestGateJUnit(t *testing.T) {
	for strict, want := range map[bool][4]int{false: {5, 1, 1, 1}, true: {5, 2, 1, 0}} {
		var b bytes.Buffer
		if err := GateJUnit(&b, gateOutcome(t), strict); err != nil {
			t.Fatal(err)
		}
		safe(t, "JUnit", b.String())
		if !strings.HasPrefix(b.String(), `<?xml version="1.0" encoding="UTF-8"?>`) {
			t.Error("no XML declaration")
		}
		children := map[string][]string{
			"": {"testsuites"}, "testsuites": {"testsuite"}, "testsuite": {"testcase", "system-out"}, "testcase": {"failure", "error", "skipped"},
		}
		required := map[string][]string{"testsuites": {"tests", "failures", "errors", "time"}, "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
			"testcase": {"name", "classname", "time"}, "failure": {"message", "type"}, "error": {"message", "type"}, "skipped": {"message"}}
		counted := map[string]int{}
		var claimed [4]int
		var open []string
		for d := xml.NewDecoder(&b); ; {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch x := tok.(type) {
			case xml.StartElement:
				parent := ""
				if len(open) > 0 {
					parent = open[len(open)-1]
				}
				if !strings.Contains(" "+strings.Join(children[parent], " ")+" ", " "+x.Name.Local+" ") {
					t.Errorf("<%s> in <%s>", x.Name.Local, parent)
				}
				attrs := map[string]string{}
				for _, a := range x.Attr {
					attrs[a.Name.Local] = a.Value
				}
				for _, name := range required[x.Name.Local] {
					if _, ok := attrs[name]; !ok {
						t.Errorf("<%s> without %s", x.Name.Local, name)
					}
				}
				if x.Name.Local == "testsuites" {
					for i, name := range []string{"tests", "failures", "errors", "skipped"} {
						claimed[i], _ = strconv.Atoi(attrs[name])
					}
				}
				counted[x.Name.Local]++
				open = append(open, x.Name.Local)
			case xml.EndElement:
				open = open[:len(open)-1]
			}
		}
		got := [4]int{counted["testcase"], counted["failure"], counted["error"], counted["skipped"]}
		if got != want || claimed != want {
			t.Errorf("strict %v: %v cases, failures, errors, skipped, claimed %v, want %v", strict, got, claimed, want)
		}
	}
	// A gate that could not begin is an error, and no empty list of tests.
	var b bytes.Buffer
	o := &gating.Outcome{Different: []string{"primes"}}
	o.Finding = "Nothing was measured."
	if err := GateJUnit(&b, o, false); err != nil || !strings.Contains(b.String(), `tests="1" failures="0" errors="1"`) {
		t.Errorf("%v: %s", err, b.String())
	}
}

// Each line is one command, and nothing in a name or a text begins another or ends a property.
func TestGateAnnotations(t *testing.T) {
	var b bytes.Buffer
	if err := GateAnnotations(&b, gateOutcome(t), false); err != nil {
		t.Fatal(err)
	}
	safe(t, "annotations", b.String())
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	for i, prefix := range []string{"::error title=parbench%3A broken failed::broken failed in head%", "::error title=parbench%3A time of a|b`c`", "::warning title=parbench%3A time of open::inconclusive: +2"} {
		prefix = strings.TrimSuffix(prefix, "%")
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("line %d: %q, want %q", i, lines[i], prefix)
		}
		title, text, ok := strings.Cut(strings.SplitN(lines[i], " title=", 2)[1], "::")
		if !ok || strings.ContainsAny(title, ":,\r\n") || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%q", lines[i])
		}
	}
	if !strings.Contains(lines[1], "+8.0 %25 (") || !strings.Contains(lines[1], "%2C@user") || !strings.Contains(lines[1], "%250A") {
		t.Errorf("%q", lines[1])
	}
	// GitHub shows ten of a kind; the last one counts the rest.
	o := gateOutcome(t)
	f := &o.Families[0]
	for range 20 {
		f.Rows, o.Details[0] = append(f.Rows, f.Rows[0]), append(o.Details[0], o.Details[0][0])
	}
	b.Reset()
	if err := GateAnnotations(&b, o, true); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n::error") + 1; n != 10 || !strings.Contains(b.String(), "and 14 more; the step summary has all") {
		t.Errorf("%d errors:\n%s", n, b.String())
	}
}

func TestSelfTestOutputs(t *testing.T) {
	s := gating.NewSelfTest([]float64{.05})
	s.Finish()
	s.Arms[0].Gates, s.Arms[0].Passed, s.Arms[0].Rate = 60, 60, analysis.Interval{Hi: .06, Level: .95, N: 60}
	s.Comparisons, s.Finding = 2, "0 false alarms."
	var text, md, doc bytes.Buffer
	if err := SelfTestText(&text, s, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := SelfTestMarkdown(&md, s); err != nil {
		t.Fatal(err)
	}
	if err := SelfTestJSON(&doc, s); err != nil || !json.Valid(doc.Bytes()) {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "0.0 % alarms [0.0, 6.0]") || !strings.Contains(md.String(), "| none | 60 |") || strings.Contains(doc.String(), "NaN") {
		t.Errorf("%s\n%s\n%s", &text, &md, &doc)
	}
}

// What head lacks has a case and an annotation of its own, and so has a failure that no comparison stands for.
func TestGateWithoutRows(t *testing.T) {
	o := gateOutcome(t)
	o.OnlyBase = []comparison.Missing{{Name: "gone" + nasty, Metric: "time"}}
	o.Failures = append(o.Failures, gating.Failure{Side: "head", Name: "head.txt", Status: "failed", Reason: "panic: boom"})
	for _, strict := range []bool{false, true} {
		var x, a bytes.Buffer
		if err := GateJUnit(&x, o, strict); err != nil {
			t.Fatal(err)
		}
		if err := GateAnnotations(&a, o, strict); err != nil {
			t.Fatal(err)
		}
		safe(t, "JUnit", x.String())
		want, command := `tests="7" failures="1" errors="2" skipped="2"`, "::warning title=parbench%3A gone"
		if strict {
			want, command = `tests="7" failures="3" errors="2" skipped="0"`, "::error title=parbench%3A gone"
		}
		if !strings.Contains(x.String(), want) || !strings.Contains(x.String(), "head.txt failed in head: failed: panic: boom") {
			t.Errorf("strict %v: no %q in\n%s", strict, want, x.String())
		}
		if !strings.Contains(a.String(), command) || !strings.Contains(a.String(), missingInHead) {
			t.Errorf("strict %v: no %q in\n%s", strict, command, a.String())
		}
	}
}
