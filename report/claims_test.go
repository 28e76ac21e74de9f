package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/claim"
)

// checked is a report of three claims under two interpreters and in Go.
func checked(t *testing.T) *claim.Report {
	t.Helper()
	list, err := claim.Select([]string{"C1", "C6", "C16"})
	if err != nil {
		t.Fatal(err)
	}
	others := 0.034
	rep := &claim.Report{
		Created: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Tool: "parbench 1.0", Args: []string{"claims", "C1", "C6", "C16", "--python", "python3.11,python3.13t", "-f", "md"},
		Seconds: 31.4, Others: &others,
		Environment: results.Environment{OS: "linux", Arch: "amd64", Kernel: "6.1.0", CPUModel: "Example CPU", LogicalCPUs: 2, UsableCPUs: []int{0, 1}, UsableCores: 2, MemoryBytes: 8 << 30, Load1: .3},
		Subjects: []claim.Subject{
			{Label: "python3.11", About: "CPython 3.11.7, GIL on, start method fork"},
			{Label: "python3.13t", About: "CPython 3.13.0, free-threaded build, GIL off, start method fork"},
			{Label: "Go", About: "go1.26, strategies/multiproc", Go: true},
		},
	}
	all := "apply(), map() and apply_async() returned the results of their calls."
	for i, f := range [][]claim.Finding{
		{{Verdict: claim.Refuted, Evidence: all, Seconds: .25, Observed: json.RawMessage(`{"calls":[]}`)}, {Verdict: claim.Refuted, Evidence: all, Seconds: .5}, {Verdict: claim.Refuted, Evidence: "Apply() and Map() returned.", Seconds: .01}},
		{{Verdict: claim.Confirmed, Evidence: "join() of an open Pool failed with ValueError: Pool is still running."}, {Verdict: claim.Partly, Evidence: "It depends."}, {Verdict: claim.Confirmed, Evidence: "ErrRunning."}},
		{{Verdict: claim.Confirmed, Evidence: "4 tasks on 2 threads kept 0.999 [0.994, 1.000] cores busy."}, {Verdict: claim.Refuted, Evidence: "4 tasks on 2 threads kept 1.96 [1.94, 1.97] cores busy."}, {Verdict: claim.Undecided, Evidence: "There is one usable CPU here: nothing can use two."}},
	} {
		rep.Rows = append(rep.Rows, claim.Row{Claim: list[i], Findings: f})
	}
	return rep
}

func claimsOut(t *testing.T, rep *claim.Report, write func(io.Writer, *claim.Report) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, rep); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func claimsWriters() map[string]func(io.Writer, *claim.Report) error {
	text := func(o TextOptions) func(io.Writer, *claim.Report) error {
		return func(w io.Writer, r *claim.Report) error { return ClaimsText(w, r, o) }
	}
	return map[string]func(io.Writer, *claim.Report) error{
		"claims-120.txt": text(TextOptions{}), "claims-80.txt": text(TextOptions{Width: 80}), "claims-colour.txt": text(TextOptions{Color: true}),
		"claims.md":   func(w io.Writer, r *claim.Report) error { return ClaimsMarkdown(w, r, MDOptions{}) },
		"claims.json": ClaimsJSON, "claims.csv": ClaimsCSV,
	}
}

func TestClaimsGolden(t *testing.T) {
	for name, write := range claimsWriters() {
		golden(t, name, claimsOut(t, checked(t), write))
	}
}

// What went wrong stands at the top in every form that people read.
func TestClaimsWarnings(t *testing.T) {
	rep := checked(t)
	rep.Interrupted, rep.Left = true, []string{"there is no Python interpreter python3.99 on PATH"}
	rep.Rows[0].Findings[0] = claim.Failure("the probe ended with exit status 3")
	busy := 1.2
	rep.Others = &busy
	for name, write := range claimsWriters() {
		if strings.HasSuffix(name, ".csv") {
			continue
		}
		out := strings.Join(strings.Fields(claimsOut(t, rep, write)), " ")
		for _, want := range []string{"interrupted", "python3.99", "1 probe did not do its work;", "1.2 cores busy"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
}

// What does not apply is counted as that.
func TestClaimsThatDoNotApply(t *testing.T) {
	rep := checked(t)
	rep.Rows[0].Findings[2] = claim.DoesNotApply("there is no fork")
	for _, want := range []string{"Go: 1 confirmed, 1 does not apply, 1 not decided.", "Go: 2 do not apply, 1 not decided."} {
		out := claimsOut(t, rep, func(w io.Writer, r *claim.Report) error { return ClaimsMarkdown(w, r, MDOptions{}) })
		if !strings.Contains(out, want) || !strings.Contains(out, "| – does not apply |") || !strings.Contains(out, "| Go | does not apply | There is no fork. |") {
			t.Errorf("no %q in\n%s", want, out)
		}
		rep.Rows[1].Findings[2] = rep.Rows[0].Findings[2]
	}
	rep.Rows[1].Findings[0], rep.Rows[1].Findings[1] = claim.Failure("it died"), claim.Failure("it died")
	if out := claimsOut(t, rep, ClaimsJSON); !strings.Contains(out, "2 probes did not do their work;") {
		t.Error(out)
	}
}

// Evidence holds what interpreters said: it stays data in every form.
func TestClaimsEscape(t *testing.T) {
	rep := checked(t)
	evil := "::error::x \x1b[31mred | <script> `code` @user\nnext"
	rep.Rows[0].Findings[0].Evidence, rep.Subjects[0].Label = evil, "=py|thon\x1b"
	for name, write := range claimsWriters() {
		out := claimsOut(t, rep, write)
		if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(out, "\x1b[1m", ""), "\x1b[2m", ""), "\x1b[31m") || strings.Contains(out, "\n::error") || strings.Contains(out, "\nnext") {
			t.Errorf("%s lets text through", name)
		}
		if name == "claims.md" && (strings.Contains(out, "<script>") || strings.Contains(out, " @user")) {
			t.Errorf("%s lets markup through", name)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(claimsOut(t, rep, ClaimsCSV))).ReadAll()
	if err != nil || len(rows) != 10 || !strings.HasPrefix(rows[1][3], "'=") {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// A report of nothing, or of one subject, can be written too.
func TestClaimsSmall(t *testing.T) {
	one := checked(t)
	one.Subjects = one.Subjects[:1]
	for i := range one.Rows {
		one.Rows[i].Findings = one.Rows[i].Findings[:1]
	}
	for _, rep := range []*claim.Report{{}, one} {
		for name, write := range claimsWriters() {
			if out := claimsOut(t, rep, write); out == "" || strings.Contains(out, "%!") || strings.Contains(out, "null") && strings.HasSuffix(name, "json") {
				t.Errorf("%s:\n%s", name, out)
			}
		}
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(claimsOut(t, one, ClaimsJSON)), &doc); err != nil || doc["schema"] != "parbench/claims" {
		t.Error(doc["schema"], err)
	}
}
