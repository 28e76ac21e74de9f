package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/results/analysis/quantity"
)

const claimsLegend = "Verdicts: confirmed, refuted, partly (parts of the claim hold, or it holds under a condition that the evidence names), does not apply (the claim speaks of something that is not there), not decided (this machine or interpreter " +
	"could not show it; the evidence says why). In brackets are intervals: of medians by order statistics, of ratios by the signed-rank test, each with at least 95 % confidence. " +
	"The column Go judges the same claim, said of Go with strategies/multiproc. S004-5 and the like are rows of docs/multiproc.md, which has the articles' statements."

// ClaimsText writes what became of the claims for a terminal: a table of verdicts, then each claim with its evidence. Its
// only errors are w's.
func ClaimsText(w io.Writer, rep *claim.Report, opt TextOptions) error {
	p := newPrinter(opt)
	p.para("", p.ink.paint(bold, "claims about processes and threads")+" · "+EscapeTerminal(claimsConduct(rep)))
	p.para("", EscapeTerminal(strings.Join(machineLine(&results.Header{Environment: rep.Environment}), " · ")))
	for _, s := range rep.Subjects {
		p.para("", EscapeTerminal(s.Label+": "+s.About))
	}
	for _, x := range claimsWarnings(rep) {
		p.warning("", x)
	}
	p.b.WriteByte('\n')
	p.grid(claimsGrid(rep))
	p.b.WriteByte('\n')
	p.para("", EscapeTerminal(claimsFinding(rep)))
	for i := range rep.Rows {
		r := &rep.Rows[i]
		p.b.WriteByte('\n')
		p.para("", p.ink.paint(bold, r.ID)+" "+EscapeTerminal(r.Text)+" ("+EscapeTerminal(sourcesText(r.Sources))+")")
		p.para("  ", p.ink.paint(dim, "checked:")+" "+EscapeTerminal(r.Check))
		for _, g := range alike(rep, r) {
			p.para("  ", p.ink.paint(bold, EscapeTerminal(g.who)+" "+string(g.verdict))+": "+EscapeTerminal(g.evidence))
		}
	}
	p.b.WriteByte('\n')
	p.para("", p.ink.paint(dim, claimsLegend))
	for _, a := range cited(rep) {
		p.para("  ", p.ink.paint(dim, a.Number+": "+a.Title))
	}
	return p.writeTo(w)
}

// ClaimsMarkdown writes the same as a page of GitHub Markdown that stands on its own. Its only errors are w's.
func ClaimsMarkdown(w io.Writer, rep *claim.Report, opt MDOptions) error {
	var p page
	title := opt.Title
	if title == "" {
		title = "What articles say about Python's processes and threads, and what is so"
	}
	p.f("# %s\n\n", EscapeMarkdown(title))
	p.f("%s Each was put to the test on one machine, under every interpreter below and, where it makes sense, in Go.\n\n", EscapeMarkdown(claimsCount(rep)))
	for _, x := range claimsWarnings(rep) {
		p.f("> **%s:** %s. %s.\n\n", severity(x.Severity), EscapeMarkdown(x.Text), EscapeMarkdown(sentence(x.Remedy)))
	}
	p.f("## The short answer\n\n")
	p.b.WriteString(claimsGrid(rep).markdown())
	p.f("\n**Finding.** %s\n\n", EscapeMarkdown(claimsFinding(rep)))
	p.f("## The evidence\n\n")
	for i := range rep.Rows {
		r := &rep.Rows[i]
		p.f("### %s: %s\n\n", EscapeMarkdown(r.ID), EscapeMarkdown(r.Short))
		p.f("**Claim.** %s *(%s)*\n\n**Checked.** %s\n\n", EscapeMarkdown(r.Text), EscapeMarkdown(sourcesText(r.Sources)), EscapeMarkdown(r.Check))
		g := &grid{cols: []column{{long: "under", left: true}, {long: "verdict", left: true}, {long: "evidence", left: true}}}
		for _, a := range alike(rep, r) {
			g.lines = append(g.lines, line{[]string{a.who, string(a.verdict), a.evidence}, plain})
		}
		p.b.WriteString(g.markdown() + "\n")
	}
	p.f("## The machine\n\n| | |\n|:--|:--|\n")
	for _, r := range environment(&results.Run{Header: results.Header{Environment: rep.Environment}}) {
		p.f("| %s | %s |\n", EscapeMarkdown(r[0]), EscapeMarkdown(r[1]))
	}
	for _, s := range rep.Subjects {
		p.f("| %s | %s |\n", EscapeMarkdown(s.Label), EscapeMarkdown(s.About))
	}
	p.f("| Checked | %s |\n\n", EscapeMarkdown(claimsConduct(rep)))
	if len(rep.Args) > 0 {
		words := []string{"parbench"}
		for _, a := range rep.Args {
			words = append(words, QuoteShell(a))
		}
		p.f("To repeat it%s:\n\n%s\n", EscapeMarkdown(fillIn(rep.Args)), fence("sh", []string{EscapeTerminal(strings.Join(words, " "))}))
	}
	p.f("## How to read it\n\n%s\n\nThe articles:\n\n", EscapeMarkdown(claimsLegend))
	for _, a := range cited(rep) {
		p.f("- %s: %s\n", EscapeMarkdown(a.Number), EscapeMarkdown(a.Title))
	}
	return p.writeTo(w)
}

// verdictMarks stand beside the words.
var verdictMarks = map[claim.Verdict]string{claim.Confirmed: "✓", claim.Refuted: "✗", claim.Partly: "±", claim.Inapplicable: "–", claim.Undecided: "?"}

// claimsGrid has a row for each claim and a column for each subject.
func claimsGrid(rep *claim.Report) *grid {
	g := &grid{cols: []column{
		{head: "id", long: "id", left: true}, {head: "claim", long: "claim", left: true}, {head: "article", long: "article", left: true, drop: 1},
	}}
	for _, s := range rep.Subjects {
		g.cols = append(g.cols, column{head: EscapeTerminal(clipped(s.Label)), long: s.Label, left: true})
	}
	for i := range rep.Rows {
		r := &rep.Rows[i]
		cells := []string{r.ID, r.Short, articlesText(r.Sources)}
		for _, f := range r.Findings {
			cells = append(cells, verdictMarks[f.Verdict]+" "+string(f.Verdict))
		}
		st := plain
		if r.Differs(rep.Subjects) {
			st = strong
		}
		g.lines = append(g.lines, line{cells, st})
	}
	return g
}

// articlesText names the articles of sources, each once.
func articlesText(list []claim.Source) string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s.Article) {
			out = append(out, s.Article)
		}
	}
	return strings.Join(out, ", ")
}

// sourcesText names articles with the rows of docs/multiproc.md that have their statements.
func sourcesText(list []claim.Source) string {
	var rows []string
	for _, s := range list {
		rows = append(rows, s.Row)
	}
	word := "article "
	if strings.Contains(articlesText(list), ",") {
		word = "articles "
	}
	return word + articlesText(list) + "; " + strings.Join(rows, ", ")
}

// group are subjects of which the same is to be said.
type group struct {
	who      string
	verdict  claim.Verdict
	evidence string
}

// alike puts subjects together that have the same verdict by the same evidence.
func alike(rep *claim.Report, r *claim.Row) []group {
	var out []group
	for i, f := range r.Findings {
		label := rep.Subjects[i].Label
		at := slices.IndexFunc(out, func(g group) bool { return g.verdict == f.Verdict && g.evidence == f.Evidence })
		if at < 0 {
			out = append(out, group{label, f.Verdict, f.Evidence})
			continue
		}
		out[at].who += ", " + label
	}
	return out
}

// cited are the articles that the report's claims are from.
func cited(rep *claim.Report) []claim.Article {
	return slices.DeleteFunc(claim.Articles(), func(a claim.Article) bool {
		return !slices.ContainsFunc(rep.Rows, func(r claim.Row) bool {
			return slices.ContainsFunc(r.Sources, func(s claim.Source) bool { return s.Article == a.Number })
		})
	})
}

// claimsCount introduces the page.
func claimsCount(rep *claim.Report) string {
	return fmt.Sprintf("%s from %s on multiprocessing, multiprocessing.dummy and threading.", counted(len(rep.Rows), "claim"), counted(len(cited(rep)), "article"))
}

// claimsConduct says how the checking went.
func claimsConduct(rep *claim.Report) string {
	var parts []string
	if !rep.Created.IsZero() {
		parts = append(parts, rep.Created.UTC().Format("2 Jan 2006 15:04 UTC"))
	}
	parts = append(parts, counted(len(rep.Rows), "claim"), span(rep.Seconds))
	if rep.Others != nil {
		parts = append(parts, fmt.Sprintf("others kept %s cores busy on average", quantity.Digits(*rep.Others, 2)))
	}
	if l := rep.Environment.Load1; l > 0 {
		parts = append(parts, fmt.Sprintf("load %s before", quantity.Digits(l, 2)))
	}
	if rep.Tool != "" {
		parts = append(parts, rep.Tool)
	}
	return strings.Join(parts, " · ")
}

// claimsFinding counts verdicts and says where interpreters differ.
func claimsFinding(rep *claim.Report) string {
	var all, differ []string
	for i, s := range rep.Subjects {
		var counts []string
		for _, v := range claim.Verdicts() {
			if n := rep.Count(i, v); n > 0 {
				counts = append(counts, verdictCount(n, v))
			}
		}
		all = append(all, s.Label+": "+strings.Join(counts, ", "))
	}
	pythons := 0
	for _, s := range rep.Subjects {
		if !s.Go {
			pythons++
		}
	}
	for i := range rep.Rows {
		if rep.Rows[i].Differs(rep.Subjects) {
			differ = append(differ, rep.Rows[i].ID)
		}
	}
	said := strings.Join(all, "; ") + "."
	switch {
	case pythons < 2:
		return said
	case len(differ) == 0:
		return said + " The interpreters agree wherever they could decide."
	}
	return said + " The interpreters' verdicts differ on " + and(differ) + "."
}

// verdictCount says how many claims got a verdict.
func verdictCount(n int, v claim.Verdict) string {
	if v == claim.Inapplicable && n > 1 {
		return fmt.Sprintf("%d do not apply", n)
	}
	return fmt.Sprintf("%d %s", n, v)
}

// busyOthers is how many cores others may keep busy before times are in doubt.
const busyOthers = 0.1

func claimsWarnings(rep *claim.Report) []analysis.Warning {
	var out []analysis.Warning
	add := func(s analysis.Severity, code, text, remedy string) {
		out = append(out, analysis.Warning{Severity: s, Code: code, Text: text, Remedy: remedy})
	}
	if rep.Interrupted {
		add(analysis.Warn, analysis.CodeIncomplete, "the checking was interrupted, what was not come to is not decided", "check those claims again, by their names")
	}
	for _, l := range rep.Left {
		add(analysis.Warn, "left-out", "left out: "+l, "the others were checked")
	}
	if failed := rep.FailedText(); failed != "" {
		add(analysis.Warn, "failed", failed+"; the evidence says what happened", "check those claims again, by their names")
	}
	if rep.Others != nil && *rep.Others > busyOthers {
		add(analysis.Note, analysis.CodeInterference, fmt.Sprintf("other programs kept %s cores busy meanwhile: times are longer than on a quiet machine, and intervals wider", quantity.Digits(*rep.Others, 2)), "repeat it on a quiet machine")
	}
	return out
}

// ClaimsJSON writes what became of the claims as the JSON document of docs/claims.md, with everything that was observed. Its
// only error is w's.
func ClaimsJSON(w io.Writer, rep *claim.Report) error {
	type finding struct {
		Subject  string          `json:"subject"`
		Verdict  claim.Verdict   `json:"verdict"`
		Evidence string          `json:"evidence"`
		Failed   bool            `json:"failed,omitempty"`
		Seconds  float64         `json:"seconds"`
		Observed json.RawMessage `json:"observed,omitempty"`
	}
	type row struct {
		claim.Claim
		Differs  bool      `json:"interpreters_differ"`
		Findings []finding `json:"findings"`
	}
	doc := struct {
		Schema      string              `json:"schema"`
		Version     int                 `json:"version"`
		Created     string              `json:"created,omitempty"`
		Tool        string              `json:"tool,omitempty"`
		Args        []string            `json:"args"`
		Seconds     float64             `json:"seconds"`
		Others      *float64            `json:"others_cores,omitempty"`
		Interrupted bool                `json:"interrupted,omitempty"`
		Environment results.Environment `json:"environment"`
		Subjects    []claim.Subject     `json:"subjects"`
		Articles    []claim.Article     `json:"articles"`
		Claims      []row               `json:"claims"`
		Warnings    []warningJSON       `json:"warnings"`
	}{
		Schema: "parbench/claims", Version: 1, Tool: rep.Tool, Args: append([]string{}, rep.Args...), Seconds: rep.Seconds, Others: rep.Others, Interrupted: rep.Interrupted,
		Environment: rep.Environment, Subjects: append([]claim.Subject{}, rep.Subjects...), Articles: cited(rep), Claims: []row{}, Warnings: warningsOf(claimsWarnings(rep)),
	}
	if !rep.Created.IsZero() {
		doc.Created = rep.Created.UTC().Format("2006-01-02T15:04:05Z")
	}
	doc.Environment.Programs = []results.Program{} // the subjects are them
	for i := range rep.Rows {
		r := &rep.Rows[i]
		x := row{Claim: r.Claim, Differs: r.Differs(rep.Subjects)}
		for k, f := range r.Findings {
			x.Findings = append(x.Findings, finding{rep.Subjects[k].Label, f.Verdict, f.Evidence, f.Failed, f.Seconds, f.Observed})
		}
		doc.Claims = append(doc.Claims, x)
	}
	return writeJSON(w, doc)
}

// ClaimsCSV writes a row for each claim and subject. Its only errors are w's.
func ClaimsCSV(w io.Writer, rep *claim.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	rows := [][]string{{"claim", "short", "articles", "subject", "about", "verdict", "failed", "seconds", "evidence"}}
	for i := range rep.Rows {
		r := &rep.Rows[i]
		for k, f := range r.Findings {
			s := rep.Subjects[k]
			rows = append(rows, []string{r.ID, csvCell(r.Short), articlesText(r.Sources), csvCell(s.Label), csvCell(s.About), string(f.Verdict),
				strconv.FormatBool(f.Failed), csvNumber(&f.Seconds), csvCell(f.Evidence)})
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	return out.Error()
}
