package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/analysis/runtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func analysed(t testing.TB, run *results.Run) *analysis.Report {
	t.Helper()
	rep, err := analysis.Analyse(run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func textOf(t testing.TB, rep *analysis.Report, opt TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, rep, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func pageOf(t testing.TB, rep *analysis.Report, opt MDOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := Markdown(&b, rep, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// golden compares with a file in testdata; go test ./report -update writes them, to be looked at before they go in.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// first is a run as --quick makes one that was interrupted, with a failing reference.
func first() *results.Run {
	s := runtest.RealisticSpec()
	s.Rounds, s.Workloads = 3, s.Workloads[:2]
	ref := &s.Workloads[1].Cells[0]
	ref.Fail, ref.Reason, ref.Stderr = results.TaskFailed, "task 7: connection refused", "dial tcp: connection refused\n"
	run := runtest.Build(s)
	run.Header.Plan.Quick, run.Header.Args = true, []string{"run", "--quick", "-w", "primes,http", "-s", "process-pool:mode=imap-unordered,chunk=16", "-o", "my runs/it's"}
	run.Trials = run.Trials[:len(run.Trials)-5]
	run.Notes = []results.Note{{Type: "end", Reason: "interrupted"}}
	return run
}

func plots() []PlotRef {
	return []PlotRef{
		{Path: "plots/time primes.svg", Title: "Time per task", Alt: "Time per task of each strategy on 1 and 2 cores", Workload: "primes"},
		{Path: "plots/ceiling.svg", Title: "Machine ceiling", Alt: "Speedup of busy threads"},
	}
}

func TestGolden(t *testing.T) {
	whole, part := analysed(t, runtest.Realistic()), analysed(t, first())
	golden(t, "realistic-120.txt", textOf(t, whole, TextOptions{}))
	golden(t, "realistic-100.txt", textOf(t, whole, TextOptions{Width: 100}))
	golden(t, "realistic-80.txt", textOf(t, whole, TextOptions{Width: 80}))
	golden(t, "realistic-colour.txt", textOf(t, whole, TextOptions{Color: true, TimeUnit: "us"}))
	golden(t, "first-120.txt", textOf(t, part, TextOptions{}))
	golden(t, "realistic.md", pageOf(t, whole, MDOptions{Plots: plots(), Data: "run.jsonl"}))
	golden(t, "first.md", pageOf(t, part, MDOptions{Title: "A first look"}))
}

func TestTextFitsItsWidth(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	for _, width := range []int{70, 80, 90, 100, 120, 160, 200} {
		for i, l := range strings.Split(textOf(t, rep, TextOptions{Width: width}), "\n") {
			if w := text.StringWidth(l); w > width {
				t.Errorf("at %d columns line %d has %d: %s", width, i+1, w, l)
			}
			if strings.TrimRight(l, " ") != l {
				t.Errorf("line %d ends in spaces: %q", i+1, l)
			}
		}
	}
}

func TestWiderShowsMore(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	if got := textOf(t, rep, TextOptions{Width: 200}); strings.Contains(got, "Not shown") {
		t.Error("a column is left out at 200 columns")
	}
	narrow := textOf(t, rep, TextOptions{Width: 80})
	if !strings.Contains(narrow, "Not shown at this width:") || !strings.Contains(narrow, "speedup") {
		t.Errorf("at 80 columns:\n%s", narrow)
	}
	// What decides stays: intervals go before the speedup does.
	got := textOf(t, rep, TextOptions{Width: 60})
	flat := strings.Join(strings.Fields(got), " ")
	if !strings.Contains(flat, "the intervals of ms per task;") || strings.Contains(flat, "; speedup, ") || !strings.Contains(got, " speedup") {
		t.Errorf("at 60 columns:\n%s", got)
	}
}

// escapes matches terminal attributes.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestColourIsTheCallersChoice(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	want := textOf(t, rep, TextOptions{})
	if escapes.MatchString(want) {
		t.Error("attributes without being asked for")
	}
	for _, env := range []string{"", "0", "1"} {
		t.Setenv("NO_COLOR", env)
		got := textOf(t, rep, TextOptions{Color: true})
		if !strings.Contains(got, bold+"▲ pool"+reset) {
			t.Errorf("NO_COLOR=%q changed what the caller asked for", env)
		}
		if d := cmp.Diff(want, escapes.ReplaceAllString(got, "")); d != "" {
			t.Errorf("attributes change more than colour (-without +with):\n%s", d)
		}
	}
}

func TestTimeUnit(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	got := textOf(t, rep, TextOptions{TimeUnit: "us", Width: 200})
	if regexp.MustCompile(`[mn]s per (task|batch)  `).MatchString(got) || !strings.Contains(got, "  µs per task  ") {
		t.Errorf("not all times are in µs:\n%s", got)
	}
	if err := Text(&bytes.Buffer{}, rep, TextOptions{TimeUnit: "h"}); err == nil {
		t.Error("unit h was accepted")
	}
	if err := Markdown(&bytes.Buffer{}, rep, MDOptions{TimeUnit: "h"}); err == nil {
		t.Error("unit h was accepted for the page")
	}
}

type brokenWriter struct{}

var errBroken = errors.New("no space left")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsAreReturned(t *testing.T) {
	rep := analysed(t, first())
	if err := Text(brokenWriter{}, rep, TextOptions{}); !errors.Is(err, errBroken) {
		t.Errorf("Text: %v", err)
	}
	if err := Markdown(brokenWriter{}, rep, MDOptions{}); !errors.Is(err, errBroken) {
		t.Errorf("Markdown: %v", err)
	}
}

// hostile is text that tries to leave its place on a terminal or on a page.
var hostile = rapid.OneOf(
	rapid.SampledFrom([]string{
		"\x1b[2J\x1b[31m", "a\r\nb", "\x9b31m", "\u202egnp.exe", "`````", "```\n# title\n", "| a | b |\n|--|--|", "<script>alert(1)</script>",
		"@admin", "![x](http://x/y.png)", "[x](javascript:x)", "&lt;b&gt;", "</details>", "\xff\xfe", "::error::x", "x ::error::boom", "##[error]x", "a:::error::x", "\u00a0::warning::x", "www.example.org", "https://example.org",
		"#12", "\u200b\u2066", "a\x00b", "<!--", "-->", "\\", "\\|", "~~~", "* a", "1. a", "", "\u2028", "世界世界世界世界世界世界世界世界", "e\u0301e\u0301",
	}),
	rapid.String(),
	rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
)

func TestHostileTextStaysText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rep, err := analysis.Analyse(runtest.Random(t, hostile), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out, page bytes.Buffer
		if err := Text(&out, rep, TextOptions{Width: rapid.IntRange(0, 200).Draw(t, "width")}); err != nil {
			t.Fatal(err)
		}
		if err := Markdown(&page, rep, MDOptions{Title: hostile.Draw(t, "title"), Data: hostile.Draw(t, "data"),
			Plots: []PlotRef{{Path: hostile.Draw(t, "path"), Title: hostile.Draw(t, "caption"), Alt: hostile.Draw(t, "alt")}}}); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]string{"text": out.String(), "page": page.String()} {
			if !utf8.ValidString(s) {
				t.Fatalf("%s is not UTF-8", name)
			}
			for _, l := range strings.Split(s, "\n") {
				if ciCommand(l) {
					t.Fatalf("%s holds a command for a CI system: %q", name, l)
				}
			}
			for _, r := range s {
				if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
					t.Fatalf("%s holds %U", name, r)
				}
			}
		}
		markup(t, page.String())
	})
}

// ciCommand reports whether GitHub's runner would take a line of a log for a command.
func ciCommand(l string) bool {
	return strings.HasPrefix(strings.TrimSpace(l), "::") || strings.Contains(l, "##[")
}

func TestNoLineIsACommand(t *testing.T) {
	s := runtest.RealisticSpec()
	cells := s.Workloads[0].Cells
	s.Rounds, s.Workloads = 1, s.Workloads[:1]
	s.Workloads[0].Cells = append(cells[:4:4], cells[len(cells)-1])
	s.Workloads[0].Cells[4].FailFrom = 0
	long := strings.Repeat("a", 23) + "::error::boom"
	for _, evil := range []string{"x ::error::boom", "::error file=a::boom", "##[error]boom", "###[error]boom", "a,::error::boom", "a:::error::boom", long,
		"x\u00a0::error::boom", "x\u2003::error::boom", strings.Repeat("word ", 20) + "::error::boom"} {
		w := &s.Workloads[0]
		w.Entry.Doc, w.Entry.Key, w.Cells[3].Label = evil, evil, evil
		last := &w.Cells[len(w.Cells)-1]
		last.Reason, last.Stderr = evil, evil+"\n\t"+evil
		run := runtest.Build(s)
		run.Header.ID, run.Header.Environment.CPUModel = evil, evil
		rep := analysed(t, run)
		for width := 40; width < 130; width++ {
			for i, l := range strings.Split(textOf(t, rep, TextOptions{Width: width}), "\n") {
				if ciCommand(l) {
					t.Fatalf("%q at %d columns makes line %d a command: %q", evil, width, i+1, l)
				}
			}
		}
		for i, l := range strings.Split(pageOf(t, rep, MDOptions{Title: evil}), "\n") {
			if ciCommand(l) {
				t.Fatalf("%q makes line %d of the page a command: %q", evil, i+1, l)
			}
		}
	}
}

func TestReasonsAreClipped(t *testing.T) {
	s := runtest.RealisticSpec()
	last := &s.Workloads[0].Cells[len(s.Workloads[0].Cells)-1]
	last.Reason, last.Stderr = strings.Repeat("ä ", 100_000), strings.Repeat("ö", 100_000)
	rep := analysed(t, runtest.Build(s))
	for name, got := range map[string]string{"text": textOf(t, rep, TextOptions{}), "page": pageOf(t, rep, MDOptions{})} {
		if n := strings.Count(got, "ä"); n != maxQuoted/2 {
			t.Errorf("%s shows %d characters of the reason, want %d, once", name, n, maxQuoted/2)
		}
		if n := strings.Count(got, "ö"); n < 1 || n > maxQuoted {
			t.Errorf("%s shows %d characters of one line of standard error, want up to %d", name, n, maxQuoted)
		}
		if !strings.Contains(got, "… (cut)") {
			t.Errorf("%s does not say that it was cut", name)
		}
	}
	if got := clip(strings.Repeat("世", maxQuoted)); got != strings.Repeat("世", maxQuoted) {
		t.Error("a text of the full length was cut")
	}
}

func TestWorkersWithoutANumber(t *testing.T) {
	for want, c := range map[string]results.Cell{"4": {Workers: 4}, "per task": {Unbounded: true}, absent: {}, "8": {Workers: 8, Unbounded: true}} {
		if got := workers(&c); got != want {
			t.Errorf("workers %d, unbounded %v: %q, want %q", c.Workers, c.Unbounded, got, want)
		}
	}
	s := runtest.RealisticSpec()
	run := runtest.Build(s)
	for i := range run.Header.Plan.Cells {
		if c := &run.Header.Plan.Cells[i]; c.Strategy == "goroutines" {
			c.Workers, c.Unbounded = 0, true
		}
	}
	if got := textOf(t, analysed(t, run), TextOptions{Width: 200}); !strings.Contains(got, "  per task  ") || strings.Contains(got, "      0  ") {
		t.Errorf("workers without a number:\n%s", got)
	}
}

func TestCeilingWithoutAnIntervalIsNotClaimed(t *testing.T) {
	s := runtest.RealisticSpec()
	s.Rounds = 1
	rep := analysed(t, runtest.Build(s))
	for name, got := range map[string]string{"text": textOf(t, rep, TextOptions{}), "page": pageOf(t, rep, MDOptions{})} {
		if strings.Contains(got, "busy work reach") || strings.Contains(got, "computes better") {
			t.Errorf("%s claims a ceiling from one round:\n%s", name, got)
		}
		if !strings.Contains(got, "Too few rounds to tell how far") {
			t.Errorf("%s does not say why there is no ceiling", name)
		}
	}
}

func TestOverheadSaysWhatIsLeftOut(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	if got := overheadText(rep); !strings.Contains(got, "strategies with processes and probes that choose their number of tasks are left out") {
		t.Errorf("overhead: %s", got)
	}
	rep.Overhead.N = rep.Used
	if got := overheadText(rep); strings.Contains(got, "left out") {
		t.Errorf("overhead of all trials: %s", got)
	}
}

func TestOneIsNotMany(t *testing.T) {
	s := runtest.RealisticSpec()
	s.Rounds = 1
	for i := range s.Workloads {
		s.Workloads[i].Entry.Tasks = 1
		for k := range s.Workloads[i].Cells {
			s.Workloads[i].Cells[k].Tasks = 1
		}
	}
	rep := analysed(t, runtest.Build(s))
	plural := regexp.MustCompile(`\b1 \**(tasks|rounds|trials|cores|workers)\b|\b1 round\** (are|were)\b`)
	for name, got := range map[string]string{"text": textOf(t, rep, TextOptions{Width: 1000}), "page": pageOf(t, rep, MDOptions{})} {
		if m := plural.FindAllString(strings.ReplaceAll(got, "\n", " "), -1); m != nil {
			t.Errorf("%s says %q", name, m)
		}
		if !strings.Contains(got, "1 task") {
			t.Errorf("%s says no number of tasks", name)
		}
	}
}

// TestMarksMeanTheSameEverywhere: one list of notes for all tables, in which every mark stands once.
func TestMarksMeanTheSameEverywhere(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	notes := footnotes(rep)
	if len(notes) < 3 {
		t.Fatalf("only %d notes", len(notes))
	}
	out, page := textOf(t, rep, TextOptions{Width: 1000}), pageOf(t, rep, MDOptions{})
	for _, n := range notes {
		for name, got := range map[string]int{"text": strings.Count(out, "\n  "+n.mark+"  "+n.Text[:12]), "page": strings.Count(page, "- **"+n.mark+"** (")} {
			if got != 1 {
				t.Errorf("%s explains mark %s %d times", name, n.mark, got)
			}
		}
	}
	for k := range rep.Tables {
		for i := range rep.Tables[k].Rows {
			r := &rep.Tables[k].Rows[i]
			if got := strings.Fields(marksOf(notes, r)); len(got) != len(r.Warnings) {
				t.Errorf("%s: marks %v for %d warnings", r.Name, got, len(r.Warnings))
			}
		}
	}
}

// TestPageTablesAreNarrow: eight columns at most, and everything that the terminal shows is in one of the two tables.
func TestPageTablesAreNarrow(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	page := pageOf(t, rep, MDOptions{})
	for _, l := range strings.Split(page, "\n") {
		if n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|") - 1; strings.HasPrefix(l, "|") && n > 8 {
			t.Errorf("%d columns: %s", n, l)
		}
		if strings.HasPrefix(l, "| ▲") && strings.Contains(l, "**") {
			t.Errorf("marked twice: %s", l)
		}
	}
	for _, c := range columns(&rep.Tables[0], quantity.Time(1), quantity.Time(1), quantity.Time(1e-6), quantity.Bytes(1e6), "", "") {
		head, _, _ := strings.Cut(c.long, ",")
		if head = strings.TrimPrefix(head, "s "); !strings.Contains(page, head) {
			t.Errorf("no column %s", c.long)
		}
	}
	if !strings.Contains(page, "1.930\u00a0\\[1.919,\u00a01.937\\]") {
		t.Error("an interval may be broken")
	}
	if !strings.Contains(page, "- primes: **Lowest median: pool on 2 cores, at 625 µs per task, 1.930 times") {
		t.Error("the short answer is not the answer in bold")
	}
}

func TestSetUpKeepsItsUnit(t *testing.T) {
	got := textOf(t, analysed(t, runtest.Realistic()), TextOptions{Width: 200, TimeUnit: "s"})
	if !regexp.MustCompile(`(?m)^ *strategy .* [nµm]s +n$`).MatchString(got) {
		t.Errorf("set-up in seconds:\n%s", got)
	}
}

func TestCeilingSaysWhoExceedsIt(t *testing.T) {
	rep := analysed(t, runtest.Realistic())
	if got := ceilingText(rep); !strings.HasPrefix(got, "During this run ") || !strings.Contains(got, "1.963 [1.961, 1.967] on 2 cores; no strategy can") {
		t.Errorf("ceiling: %s", got)
	}
	for i := range rep.Ceiling {
		rep.Ceiling[i].Speedup.Point, rep.Ceiling[i].Speedup.Lo, rep.Ceiling[i].Speedup.Hi = 1.9, 1.89, 1.905
	}
	if got := ceilingText(rep); !strings.Contains(got, "which these exceeded: primes under goroutines on 2 cores, primes under pool on 2 cores, primes under threads on 2 cores.") || strings.Contains(got, "no strategy") {
		t.Errorf("ceiling: %s", got)
	}
	for i := range rep.Ceiling {
		rep.Ceiling[i].Speedup.Point, rep.Ceiling[i].Speedup.Lo, rep.Ceiling[i].Speedup.Hi = .8, .4, 5.6
	}
	const end = " to tell how far work that computes can scale on this machine."
	if got := ceilingText(rep); !strings.HasSuffix(got, " on 2 cores; the interval is too wide"+end) || strings.Contains(got, "no strategy") || strings.Contains(got, "exceeded") {
		t.Errorf("ceiling: %s", got)
	}
	at := func(cores int, lo, hi float64) analysis.CeilingPoint {
		return analysis.CeilingPoint{Cores: cores, Speedup: analysis.Interval{Point: (lo + hi) / 2, Lo: lo, Hi: hi, Level: .98, N: 10}}
	}
	for want, points := range map[string][]analysis.CeilingPoint{
		"1.905 [1.885, 1.925] on 2 cores; no strategy can be expected":                                       {at(2, 1.885, 1.925)}, // points above it prove nothing
		"; the interval is too far above the number of cores" + end:                                          {at(2, 2.2, 2.3)},
		" on 2 cores, 3.95 [3.90, 4.00] on 4 cores; the interval is too wide (on 2 cores)" + end:             {at(2, 1.35, 2.03), at(4, 3.9, 4)},
		"; the interval is too wide (on 2, 4 cores) or too far above the number of cores (on 3 cores)" + end: {at(2, 1.3, 2), at(3, 3.5, 3.6), at(4, 2, 4)},
		" primes under threads on 2 cores; the interval is too wide" + end:                                   {at(2, 1.5, 1.905)},
	} {
		if rep.Ceiling = points; !strings.Contains(ceilingText(rep), want) {
			t.Errorf("ceiling: %s, want %s", ceilingText(rep), want)
		}
	}
}

// TestTasksThatTakeTurnsAreNamed: beside the figure × alone, which holds their waiting for a core.
func TestTasksThatTakeTurnsAreNamed(t *testing.T) {
	const said = "Tasks that took over 5 % longer than alone, with more in flight than cores: goroutines; × alone holds there what tasks waited for their turn on a core."
	for _, unbounded := range []bool{false, true} {
		s := runtest.RealisticSpec()
		s.Workloads = s.Workloads[:1]
		for i := range s.Workloads[0].Cells {
			if c := &s.Workloads[0].Cells[i]; c.Strategy == "goroutines" {
				c.Unbounded, c.PerTask = unbounded, 3*c.PerTask
			}
		}
		rep := analysed(t, runtest.Build(s))
		for name, got := range map[string]string{"text": textOf(t, rep, TextOptions{Width: 1000}), "page": pageOf(t, rep, MDOptions{})} {
			got = strings.Join(strings.Fields(got), " ")
			if strings.Count(got, said) != map[bool]int{true: 1}[unbounded] {
				t.Errorf("%s, unbounded %v: %q stands there %d times", name, unbounded, said, strings.Count(got, said))
			}
		}
	}
}

// markup checks a page outside its code blocks: every line is of a kind that this package writes, and nothing in it is
// live that came from outside.
func markup(t *rapid.T, page string) {
	fenced := ""
	ours := regexp.MustCompile("^(#{1,2} |- |\\| |\\|[:-]|> |>$|\\*\\*|!\\[|\\*[^*]|Every |The trials |Of |To repeat |Notes:|▲ |Run |During |Too few |What it cost:|Nothing |[^`]|$)")
	for i, l := range strings.Split(page, "\n") {
		if bars := regexp.MustCompile("^`{3,}").FindString(l); bars != "" && (fenced == "" || l == fenced) {
			if fenced == "" {
				fenced = bars
			} else {
				fenced = ""
			}
			continue
		}
		if fenced != "" {
			continue
		}
		if !ours.MatchString(l) {
			t.Fatalf("line %d is not ours: %q", i+1, l)
		}
		// An escaped character becomes one that no pattern below knows.
		live := strings.NewReplacer("&#8203;", "\u200b", `\\`, "\x01", "\\`", "\x01", `\[`, "\x01", `\]`, "\x01", `\|`, "\x01", `\*`, "\x01", `\_`, "\x01", `\!`, "\x01", `\~`, "\x01", `\$`, "\x01").Replace(l)
		live = regexp.MustCompile(`\]\(<[^<>() \n]*>\)`).ReplaceAllString(live, "](link)") // ours, its path escaped
		if strings.HasPrefix(l, "- ") || strings.HasPrefix(l, "Run ") {
			live = strings.ReplaceAll(live, "`parbench report`", "")
		}
		if strings.ContainsAny(live, "<`") || strings.Contains(live, "](") && !strings.Contains(live, "](link)") {
			t.Fatalf("line %d has live markup: %q", i+1, l)
		}
		if m := regexp.MustCompile(`@\w|#\w|://|(?i)www\.|gh-\d`).FindString(live); m != "" && !strings.Contains(live, "](link)") {
			t.Fatalf("line %d has %q: %q", i+1, m, l)
		}
		if strings.HasPrefix(l, "| ") && !strings.HasSuffix(l, " |") {
			t.Fatalf("line %d is a broken row: %q", i+1, l)
		}
	}
	if fenced != "" {
		t.Fatal("a code block is not closed")
	}
}

func TestFence(t *testing.T) {
	got := fence("text", []string{"a", "````", "b"})
	if want := "`````text\na\n````\nb\n`````\n"; got != want {
		t.Errorf("fence %q, want %q", got, want)
	}
}

func TestEscapeTerminal(t *testing.T) {
	tests := map[string]string{
		"plain µs": "plain µs", "\x1b[31m": `\x1b[31m`, "a\nb\tc\r": `a\nb\tc\r`, "\x9b": `\x9b`, "\u009b": `\x9b`, "\u202e": `\u202e`,
		"::error::x": ": :error::x", "x ::error::x": "x : :error::x", "std::vector": "std::vector", "[::1]:80": "[::1]:80", "##[error]": "# #[error]",
		"###[error]": "## #[error]", "##vso[task]": "# #vso[task]", "a ## b": "a ## b", "\u00a0::x": "\u00a0: :x",
		"\xff": `\xff`, "\x7f": `\x7f`, "\u2028": `\u2028`, "\U000e0001": `\U000e0001`, "\ufffd": "\ufffd",
	}
	for in, want := range tests {
		if got := EscapeTerminal(in); got != want {
			t.Errorf("%q is written %q, want %q", in, got, want)
		}
	}
}

func TestEscapeMarkdown(t *testing.T) {
	tests := map[string]string{
		"Xeon(R) @ 2.60GHz": "Xeon(R) @ 2.60GHz", "@admin": "@&#8203;admin", "a#12": "a#&#8203;12", "https://x": "https:&#8203;//x",
		"WWW.x": "WWW&#8203;.x", "GH-7": "GH-&#8203;7", "a|b": `a\|b`, "<b>&amp;": "&lt;b&gt;&amp;amp;", "[x](y)": `\[x\](y)`, "`_*": "\\`\\_\\*",
		"a\nb": `a\\nb`, `\|`: `\\\|`,
	}
	for in, want := range tests {
		if got := EscapeMarkdown(in); got != want {
			t.Errorf("%q is written %q, want %q", in, got, want)
		}
	}
}

func TestBreakName(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
	}{
		{"pool", 8, "pool"},
		{"  process-pool:mode=imap-unordered,chunk=16", 24, "  process-pool:mode=\n    imap-unordered,\n    chunk=16"},
		{"abcdefghij", 8, "abcdefgh\n    ij"},
		{bold + "process-pool:chunk=1" + reset, 14, bold + "process-pool:" + reset + "\n" + bold + "    chunk=1" + reset},
	}
	for _, tt := range tests {
		if got := breakName(tt.in, tt.width); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
}

func TestCommandIsQuotedAndSeeded(t *testing.T) {
	h := &results.Header{Args: []string{"run", "-s", "pool it's", ""}, Plan: results.Plan{Seed: 7}}
	if got, want := command(h), `parbench run -s 'pool it'\''s' '' --seed 7`; got != want {
		t.Errorf("command %s, want %s", got, want)
	}
	h.Args = []string{"run", "--seed=9"}
	if got, want := command(h), "parbench run --seed=9"; got != want {
		t.Errorf("command %s, want %s", got, want)
	}
}

func TestWhatIsNotAvailableIsListed(t *testing.T) {
	plan := &results.Plan{Unavailable: []results.Unavailable{
		{Program: "old", Strategy: "py-pool", Reason: "old is too old: name another."},
		{Program: "old", Strategy: "py-threads", Reason: "old is too old: name another."},
		{Program: "python3.13", Strategy: "py-asyncio", Workload: "primes", Reason: "only for waiting"},
		{Program: "python3.13", Workload: "broken", Reason: "line 3 | is \x1b[31mno code"},
		{Program: "mybench", Reason: "no such file; build it first"},
	}}
	want := []string{
		"py-pool and py-threads (old): old is too old: name another", "py-asyncio on primes (python3.13): only for waiting",
		"broken (python3.13): line 3 | is \x1b[31mno code", "mybench: no such file; build it first",
	}
	if d := cmp.Diff(want, LeftOut(plan)); d != "" {
		t.Error(d)
	}
	run := runtest.Realistic()
	run.Header.Plan.Unavailable = plan.Unavailable
	rep, err := analysis.Analyse(run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text, page bytes.Buffer
	if err := Text(&text, rep, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&page, rep, MDOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, want string }{
		{text.String(), "\nnot available here\n  py-pool and py-threads (old): old is too old"}, {page.String(), "## Not available here\n\n- py-pool and py-threads"},
		{page.String(), `line 3 \| is`},
	} {
		if !strings.Contains(c.in, c.want) || strings.Contains(c.in, "\x1b[31mno") {
			t.Errorf("%q is not there", c.want)
		}
	}
}
