package report

import (
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// Of a stack the lines are shown that help: the message and the frames of the user's code, and no part of a frame.
func TestExcerpt(t *testing.T) {
	const goTask = "goroutine 7 [running]:\n" +
		"github.com/parbench/parbench/strategies.stack()\n\t/src/parbench/strategies/batch.go:118 +0x5e\n" +
		"github.com/parbench/parbench/strategies.(*batch).guard(0xc000, 0xc001, 0x1?)\n\t/src/parbench/strategies/batch.go:70 +0x89\n" +
		"panic({0x57fc40?, 0x5d6890?})\n\t/usr/local/go/src/runtime/panic.go:860 +0x13a\n" +
		"encoding/json.(*decodeState).value(0xc0000a)\n\t/usr/local/go/src/encoding/json/decode.go:390 +0x4c\n" +
		"encoding/json.Unmarshal({0xc000, 0x2, 0x2})\n\t/usr/local/go/src/encoding/json/decode.go:113 +0x113\n" +
		"main.deep(...)\n\t/opt/u/bad/main.go:18\n" +
		"example.com/bad/inner.Lev[...]({0x742a58?, 0xc000}, 0x1)\n\t/opt/u/bad/inner/lev.go:15 +0x25\n" +
		"github.com/parbench/parbench/workloads.functionTasks.Task(...)\n\t/src/parbench/workloads/func.go:32\n" +
		"github.com/parbench/parbench/strategies/trial.Main({0xc000, 0x1, 0x1})\n\t/src/parbench/strategies/trial/trial.go:49 +0x55\n" +
		"main.main()\n\t/opt/u/bad/main.go:11 +0x12b\n"
	const pythonTask = "Traceback (most recent call last):\n" +
		"  File \"/opt/cache/parbench/python-cca8f63b/parbench/strategies.py\", line 34, in __call__\n    return term(i, self.task(i))\n           ^^^^^^^^^^^^\n" +
		"  File \"/opt/u/w.py\", line 9, in task\n    return helper(i)\n           ^^^^^^^^^\n" +
		"  File \"/opt/u/w.py\", line 5, in helper\n    return json.loads(i)\n           ~~~~~~~~~~^^^\n" +
		"  File \"/usr/lib/python3.11/json/decoder.py\", line 353, in raw_decode\n    obj = self.scan_once(s)\n          ^^^^^^^^^\n" +
		"  File \"/usr/lib/python3.11/concurrent/futures/process.py\", line 261, in _process_worker\n    r = call_item.fn()\n" +
		"json.decoder.JSONDecodeError: Expecting property name\n"
	for name, tc := range map[string]struct {
		text string
		n    int
		want string
	}{
		"no stack":    {"1\n2\n3\n4\n", 2, "3\n4"},
		"short":       {"1\n2\n", 2, "1\n2"},
		"a task's":    {"started\n" + goTask, 5, "started\nmain.deep(...)\n    /opt/u/bad/main.go:18\nexample.com/bad/inner.Lev[...]({0x742a58?, 0xc000}, 0x1)\n    /opt/u/bad/inner/lev.go:15 +0x25"},
		"less room":   {goTask, 3, "main.deep(...)\n    /opt/u/bad/main.go:18"},
		"more room":   {goTask, 6, "encoding/json.(*decodeState).value(0xc0000a)\n    /usr/local/go/src/encoding/json/decode.go:390 +0x4c\nmain.deep(...)\n    /opt/u/bad/main.go:18\nexample.com/bad/inner.Lev[...]({0x742a58?, 0xc000}, 0x1)\n    /opt/u/bad/inner/lev.go:15 +0x25"},
		"cut in one":  {"…ng/strategies.run(0x1)\n\t/src/a.go:1 +0x1\n\t/src/x.go:5 +0x2\nmain.f()\n\t/opt/u/main.go:3 +0x1\n", 3, "main.f()\n    /opt/u/main.go:3 +0x1"},
		"crash":       {"hello\npanic: boom\n\ngoroutine 34 [running]:\nmain.main.func1()\n\t/opt/u/main.go:9 +0x25\ncreated by main.main in goroutine 1\n\t/opt/u/main.go:8 +0x1a\nexit status 2\n", 4, "panic: boom\nmain.main.func1()\n    /opt/u/main.go:9 +0x25\nexit status 2"},
		"ours alone":  {"panic: x\n\ngoroutine 1 [running]:\ngithub.com/parbench/parbench/strategies.f(0x1)\n\t/s/f.go:1 +0x1\ngithub.com/parbench/parbench/strategies.g(0x1)\n\t/s/f.go:2 +0x1\n", 3, "panic: x\ngithub.com/parbench/parbench/strategies.f(0x1)\n    /s/f.go:1 +0x1"},
		"Python's":    {pythonTask, 5, "  File \"/opt/u/w.py\", line 9, in task\n    return helper(i)\n  File \"/opt/u/w.py\", line 5, in helper\n    return json.loads(i)\njson.decoder.JSONDecodeError: Expecting property name"},
		"innermost":   {pythonTask, 4, "  File \"/opt/u/w.py\", line 5, in helper\n    return json.loads(i)\njson.decoder.JSONDecodeError: Expecting property name"},
		"its library": {pythonTask, 7, "  File \"/opt/u/w.py\", line 9, in task\n    return helper(i)\n  File \"/opt/u/w.py\", line 5, in helper\n    return json.loads(i)\n  File \"/usr/lib/python3.11/json/decoder.py\", line 353, in raw_decode\n    obj = self.scan_once(s)\njson.decoder.JSONDecodeError: Expecting property name"},
		"cut Python":  {"    return x\n           ^^^\n" + pythonTask[strings.Index(pythonTask, "  File \"/opt/u/w.py\", line 5"):], 3, "  File \"/opt/u/w.py\", line 5, in helper\n    return json.loads(i)\njson.decoder.JSONDecodeError: Expecting property name"},
	} {
		if got := strings.Join(terminalLines(tc.text, tc.n), "\n"); got != tc.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, tc.want)
		}
	}
}

// What failed before the first round is told once for a workload, with the rows that were not run for it, and no round has
// taken place then.
func TestNotRun(t *testing.T) {
	cell := func(strategy string, cores int, reason string) runtest.Cell {
		return runtest.Cell{Cell: results.Cell{Strategy: strategy, Cores: cores}, Fail: results.TaskFailed, Reason: reason, Stderr: "tried hard"}
	}
	const before = results.NotRun + "task 0: no luck"
	analyse := func(cells ...runtest.Cell) *analysis.Report {
		t.Helper()
		rep, err := analysis.Analyse(runtest.Build(runtest.Spec{Rounds: 1, Workloads: []runtest.Workload{
			{Entry: results.PlanEntry{Key: "broken", Name: "broken", Kind: "cpu", Tasks: 4}, Cells: cells},
		}}), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	rep := analyse(cell("sequential", 1, before), cell("pool", 2, before), cell("pool", 1, "no memory"))
	list := failures(rep)
	if len(list) != 2 {
		t.Fatalf("%d failures: %v", len(list), list)
	}
	const want = "failed in calibration, before the first round (error): task 0: no luck. Not run: sequential on 1 core, pool on 2 cores"
	if got := list[0].words(); list[0].where != "broken" || got != want {
		t.Errorf("%s %s\nwant broken %s", list[0].where, got, want)
	}
	if got, want := list[1].words(), "failed in 1 of 1 trials (error): no memory"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if rep.Rounds != 1 {
		t.Errorf("%d rounds where one trial was run in one", rep.Rounds)
	}
	if rep = analyse(cell("sequential", 1, before)); rep.Rounds != 0 {
		t.Errorf("%d rounds where no trial was run", rep.Rounds)
	}
	if got := conduct(rep); !strings.Contains(got, "none of 1 round begun · 0 trials used") {
		t.Error(got)
	}
}
