package report

import (
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// languages is a run of Go and Python, on work that computes and on work that waits with unequal numbers of workers.
func languages() *results.Run {
	cells := func(scale float64, waits bool) (out []runtest.Cell) {
		for _, c := range []struct {
			program, strategy string
			workers           int
			ms                float64
			processes         bool
		}{
			{"self", "sequential", 1, 10, false}, {"self", "goroutines", 64, 5, false}, {"self", "process-pool", 16, 6, true},
			{"python3", "py-sequential", 1, 200, false}, {"python3", "py-threads", 16, 200, false}, {"python3", "py-pool", 16, 100, true},
		} {
			cell := runtest.Cell{Cell: results.Cell{Program: c.program, Strategy: c.strategy, Cores: 2, Workers: c.workers, Processes: c.processes},
				PerTask: c.ms * scale / 1e3, Noise: .002, Busy: 1}
			cell.Unbounded = c.strategy == "goroutines"
			if strings.HasSuffix(c.strategy, "sequential") {
				cell.Reference, cell.OneCore, cell.Cores = true, true, 1
			}
			if !waits {
				cell.Workers = cell.Cores
			}
			out = append(out, cell)
		}
		return out
	}
	run := runtest.Build(runtest.Spec{Environment: runtest.Machine(), Workloads: []runtest.Workload{
		{Entry: results.PlanEntry{Key: "primes", Name: "primes", Kind: "cpu", Tasks: 64}, Cells: cells(1, false)},
		{Entry: results.PlanEntry{Key: "sleep", Name: "sleep", Kind: "io", Tasks: 64}, Cells: cells(.1, true)},
	}})
	run.Header.Args = []string{"run", "-w", "primes", "-w", "sleep", "-s", "sequential", "-s", "goroutines", "-s", "process-pool", "-s", "py-sequential", "-s", "py-threads", "-s", "py-pool:mode=`imap`"}
	return run
}

// TestShortAnswerOfLanguages: whoever reads the short answer alone learns when processes beat threads, when goroutines beat
// both, where workers differ, and which command tells from which task size on.
func TestShortAnswerOfLanguages(t *testing.T) {
	rep := analysed(t, languages())
	page := pageOf(t, rep, MDOptions{})
	_, short, _ := strings.Cut(page, "## The short answer\n\n")
	short, _, _ = strings.Cut(short, "\n## ")
	for _, want := range []string{
		"- primes: **Fastest: goroutines on 2 cores, at ",
		"\n  - Under python3 processes beat threads: py-pool on 2 cores is ", "\n  - Goroutines beat both processes and threads of python3: goroutines on 2 cores is ",
		"- sleep: **Fastest: goroutines on 2 cores with 64 workers, at ",
		"\n  - Goroutines had another number of workers than processes and threads of python3, which ",
		"\n  - warning: strategies with unequal numbers of workers are compared on work that waits",
		"64 for goroutines; 16 for process-pool, py-threads and py-pool. Compare with as many workers for each: ``parbench run -w sleep --tasks 64 -s goroutines -s process-pool:workers=64 -s py-threads:workers=64 -s 'py-pool:mode=`imap`,workers=64'``\n",
		"\n" + taskSizeText + ":\n\n```sh\nparbench crossover -s goroutines,process-pool,py-threads -s 'py-pool:mode=`imap`'\n```\n",
	} {
		if !strings.Contains(strings.ReplaceAll(short, `\`, ""), want) {
			t.Errorf("the short answer lacks %q:\n%s", want, short)
		}
	}
	for _, width := range []int{60, 80, 120} {
		text := textOf(t, rep, TextOptions{Width: width})
		if !strings.Contains(text, "\n    parbench crossover -s goroutines,process-pool,py-threads -s 'py-pool:mode=`imap`'\n") {
			t.Errorf("%d columns: no command", width)
		}
		if !strings.Contains(text, " each:\n    parbench run -w sleep --tasks 64 -s goroutines -s process-pool:workers=64 -s py-threads:workers=64 -s 'py-pool:mode=`imap`,workers=64'\n") {
			t.Errorf("%d columns: no command of as many workers:\n%s", width, text)
		}
		_, waits, _ := strings.Cut(text, "\nsleep · ")
		waits, _, _ = strings.Cut(waits, "▲")
		if !strings.Contains(waits, "workers") {
			t.Errorf("%d columns: the numbers of workers are left out where they differ", width)
		}
	}
	if _, c := taskSize(analysed(t, runtest.Realistic())); c != "" {
		t.Errorf("a run without a command: %s", c)
	}
	plan := &rep.Run.Header.Plan
	plan.Workloads = append(plan.Workloads, plan.Workloads[0], plan.Workloads[0]) // in three sizes
	if text, c := taskSize(rep); text != taskSizeSwept || c != "parbench crossover --from run.jsonl" {
		t.Errorf("a run of several sizes: %s: %s", text, c)
	}
}

// TestPointsStandApart: a paragraph of ten sentences is not read.
func TestPointsStandApart(t *testing.T) {
	rep := analysed(t, languages())
	page, text := pageOf(t, rep, MDOptions{}), textOf(t, rep, TextOptions{Width: 1000})
	for i := range rep.Tables {
		tab := &rep.Tables[i]
		if len(tab.Points) < 5 || tab.Points[0] != tab.Answer {
			t.Fatalf("%s: points %q", tab.Entry.Key, tab.Points)
		}
		for k, p := range tab.Points {
			first, bullet := "\n", "\n**Finding.** "
			if k > 0 {
				first, bullet = "\n  - ", "\n- "
			}
			if p = EscapeMarkdown(p); !strings.Contains(page, bullet+p+"\n") {
				t.Errorf("the page lacks a line %q", p)
			}
			begin := tab.Points[k][:30]
			if !strings.Contains(text, first+begin) {
				t.Errorf("the text lacks a line that begins with %q", begin)
			}
		}
	}
}
