package report

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// compressors is a run of commands with a scan, a bound, ignored failures and a shell.
func compressors(rounds int) *results.Run {
	const mib = 1 << 20
	level := func(v string, time float64) runtest.Command {
		return runtest.Command{Name: "gzip -{level} -c data", Key: "gzip -" + v + " -c data", Params: map[string]string{"level": v},
			Time: time, Noise: .006, User: time * .94, System: time * .04, Peak: 2 * mib}
	}
	grep := runtest.Command{Name: "zcat data.gz | grep --count --extended-regexp 'a|b|c' > /dev/null", Time: .0412, Noise: .008, User: .031, System: .004,
		Peak: 13 * mib, Bound: true, Exits: map[string]int{"0": 1, "1": 2}}
	broken := runtest.Command{Name: "zstd -c data", Time: .01, Fail: results.TaskFailed}
	return runtest.Commands(runtest.Spec{Rounds: rounds, Seed: 5, Environment: runtest.Machine(), Shared: .03},
		results.Commands{Shell: "sh", Allow: "1", Params: []results.CommandParameter{{Name: "level", Values: []string{"1", "6", "9"}}}},
		level("1", .0131), level("6", .0312), level("9", .0934), grep, broken)
}

func TestCommandsGolden(t *testing.T) {
	whole, part := analysed(t, compressors(10)), analysed(t, compressors(3))
	golden(t, "commands-120.txt", textOf(t, whole, TextOptions{}))
	golden(t, "commands-80.txt", textOf(t, whole, TextOptions{Width: 80}))
	golden(t, "commands-few-80.txt", textOf(t, part, TextOptions{Width: 80}))
	golden(t, "commands.md", pageOf(t, whole, MDOptions{}))
	for _, width := range []int{60, 80, 120} {
		for _, l := range strings.Split(textOf(t, whole, TextOptions{Width: width}), "\n") {
			if text.StringWidth(l) > width {
				t.Errorf("at %d columns: %s", width, l)
			}
		}
	}
}

// A command with a table of its own keeps it where that says more than the comparison.
func TestTablesThatTheComparisonReplaces(t *testing.T) {
	run := compressors(10)
	out := textOf(t, analysed(t, run), TextOptions{})
	if strings.Contains(out, "one task alone") {
		t.Errorf("a table of a single row is repeated:\n%s", out)
	}
	if strings.Contains(out, "sum over all processes") || !strings.Contains(out, "≤ 13") {
		t.Errorf("the peak of a command is called a sum, or its bound a value:\n%s", out)
	}
	run.Header.Plan.Commands.Reference = run.Header.Plan.Commands.List[1].Name
	out = textOf(t, analysed(t, run), TextOptions{})
	if !strings.Contains(out, "(the reference is 1)") || strings.Contains(out, "(the fastest is 1)") {
		t.Errorf("the reference is not said:\n%s", out)
	}
	if page := pageOf(t, analysed(t, run), MDOptions{}); !strings.Contains(page, "time relative to the reference") {
		t.Errorf("the page does not say what times are relative to:\n%s", page)
	}
	run.Header.Plan.Workloads, run.Header.Plan.Cells = run.Header.Plan.Workloads[:1], run.Header.Plan.Cells[:1]
	out = textOf(t, analysed(t, run), TextOptions{})
	if strings.Contains(out, "relative") || !strings.Contains(out, "command measured · alone on 2 cores") || !strings.Contains(out, "It takes 13.") {
		t.Errorf("a single command is compared, or has no table:\n%s", out)
	}
}

// TestTimeOfAll: a batch of several commands has a time, and its time over their number is not called that of a command.
func TestTimeOfAll(t *testing.T) {
	const n = 8
	cells := func(time float64) []runtest.Cell {
		var out []runtest.Cell
		for _, c := range []results.Cell{{Strategy: "sequential", Cores: 1, Workers: 1, Reference: true}, {Strategy: "pool", Cores: 2, Workers: 2}} {
			c.Program, c.Label, c.Tasks = "commands", c.Strategy, n
			out = append(out, runtest.Cell{Cell: c, PerTask: time / float64(c.Cores), Noise: .01, Split: &runtest.Split{Idle: .1}})
		}
		return out
	}
	run := runtest.Commands(runtest.Spec{Rounds: 10, Probes: 6, Seed: 5, Environment: runtest.Machine()}, results.Commands{},
		runtest.Command{Name: "one", Cells: cells(.02), User: .001}, runtest.Command{Name: "two", Cells: cells(.03), User: .001})
	for i := range run.Trials {
		trial := &run.Trials[i]
		for k := range trial.Wall {
			trial.Wall[k] *= n
		}
		trial.Tasks *= n
	}
	rep := analysed(t, run)
	out, page := textOf(t, rep, TextOptions{}), pageOf(t, rep, MDOptions{})
	for name, s := range map[string]string{"terminal": out, "page": page} {
		for _, no := range []string{"per command", "per task,", "per batch", "per\nbatch"} {
			if strings.Contains(s, no) {
				t.Errorf("%s: a batch of %d has a time %q", name, n, no)
			}
		}
		for _, want := range []string{"ms for all 8", "8 of 'one' ran 1.", "times as fast as 8 of 'two'", " ms for all 8, ", "From the measured batches of 6 trials", " One command ran for "} {
			if !strings.Contains(s, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, s)
			}
		}
	}
	if r := &rep.Commands[1].Rows[0]; rep.Commands[1].All() != n || r.Time(n).Point < .07 || r.Time(n).Point > .09 {
		t.Errorf("%d of %s take %v s, want 8 × 10 ms", rep.Commands[1].All(), r.Command, r.Time(n))
	}
	run.Header.Plan.Cells[1].Tasks = n / 2 // batches of unlike numbers have no time in common
	out = textOf(t, analysed(t, run), TextOptions{})
	if !strings.Contains(out, "ms of a batch ÷ its commands") || strings.Contains(out, "ms per command") {
		t.Errorf("unlike batches:\n%s", out)
	}
}
