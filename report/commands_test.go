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
