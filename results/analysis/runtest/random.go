package runtest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
)

// Random draws any run that a reader of run files could hand out, and some that it would refuse, because runs come from
// other tools' files too: missing rounds, repeats, failures of every kind, nonsense durations, programs and labels with the given texts, and notes or none.
func Random(t *rapid.T, text *rapid.Generator[string]) *results.Run {
	status := rapid.SampledFrom([]results.Status{results.OK, results.OK, results.OK, results.OK, results.TaskFailed,
		results.Crashed, results.TimedOut, results.Wrong, results.Protocol, "unheard-of"})
	nanos := rapid.OneOf(rapid.Int64Range(0, 1e10), rapid.Int64Range(1, 3), rapid.Int64())
	run := &results.Run{
		Torn: rapid.IntRange(0, 99).Draw(t, "torn"), Skipped: rapid.IntRange(0, 2).Draw(t, "skipped"),
		Header: results.Header{ID: text.Draw(t, "id"), Tool: text.Draw(t, "tool"), Args: rapid.SliceOfN(text, 0, 3).Draw(t, "args")},
	}
	e := &run.Header.Environment
	e.CPUModel, e.OS, e.Governor = text.Draw(t, "cpu"), text.Draw(t, "os"), text.Draw(t, "governor")
	e.UsableCores = rapid.IntRange(0, 8).Draw(t, "usable")
	e.Load1 = rapid.Float64().Draw(t, "load")
	e.ClockCostNS = rapid.Float64().Draw(t, "cost")
	e.Programs = []results.Program{{Label: text.Draw(t, "label"), Runtime: text.Draw(t, "runtime"), Libraries: map[string]string{text.Draw(t, "strategy"): text.Draw(t, "library")}}}
	p := &run.Header.Plan
	p.Rounds = rapid.IntRange(0, 12).Draw(t, "rounds")
	if rapid.Bool().Draw(t, "commands") {
		p.Commands = &results.Commands{Shell: text.Draw(t, "shell"), Params: []results.CommandParameter{{Name: text.Draw(t, "parameter")}}}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "workloads") {
		w := results.PlanEntry{
			Key: fmt.Sprintf("w%d%s", i, text.Draw(t, "key")), Kind: rapid.SampledFrom([]string{"cpu", "io", "memory", "mixed", ""}).Draw(t, "kind"),
			Doc: text.Draw(t, "doc"), Params: map[string]string{text.Draw(t, "param"): text.Draw(t, "value")}, Name: text.Draw(t, "name"),
			Tasks: rapid.IntRange(0, 100).Draw(t, "tasks"), GrainNS: rapid.Float64().Draw(t, "grain"),
			OwnN: rapid.IntRange(0, 4).Draw(t, "own") == 0, Ceiling: rapid.IntRange(0, 4).Draw(t, "ceiling") == 0,
			Fixture: rapid.SampledFrom([]string{"", "http"}).Draw(t, "fixture"),
		}
		p.Workloads = append(p.Workloads, w)
		for j := range rapid.IntRange(0, 5).Draw(t, "cells") {
			p.Cells = append(p.Cells, results.Cell{
				Program: rapid.SampledFrom([]string{"self", "base"}).Draw(t, "program"), Workload: w.Key, Strategy: "s",
				Label: fmt.Sprintf("s%d%s", j/2, text.Draw(t, "strategy")), Cores: rapid.IntRange(0, 4).Draw(t, "cores"),
				Workers: rapid.IntRange(0, 4).Draw(t, "workers"), Tasks: w.Tasks,
				Capped: rapid.Bool().Draw(t, "capped"), Reference: j == 0, OneCore: j == 0, Serial: rapid.Bool().Draw(t, "serial"),
				Oversub: rapid.Bool().Draw(t, "oversub"),
			})
		}
	}
	for i := range p.Workloads {
		for name := range p.Workloads[i].Params {
			if p.Commands != nil {
				p.Commands.Params = append(p.Commands.Params, results.CommandParameter{Name: name})
			}
		}
	}
	for range rapid.IntRange(0, 80).Draw(t, "trials") {
		if len(p.Cells) == 0 {
			break
		}
		tr := results.Trial{
			Cell: rapid.IntRange(0, len(p.Cells)-1).Draw(t, "cell"), Round: rapid.IntRange(0, 12).Draw(t, "round"),
			Attempt: rapid.IntRange(0, 1).Draw(t, "attempt"), Seq: len(run.Trials), Status: status.Draw(t, "status"),
			Reason: text.Draw(t, "reason"), Stderr: text.Draw(t, "stderr"), Tasks: rapid.IntRange(0, 100).Draw(t, "n"),
			Wall:    rapid.SliceOfN(nanos, 0, 4).Draw(t, "wall"),
			SetupNS: nanos.Draw(t, "setup"), TotalNS: nanos.Draw(t, "total"), CPUNS: nanos.Draw(t, "cpu"), SpanNS: nanos.Draw(t, "span"),
			PeakBytes: nanos.Draw(t, "peak"), GCPauseNS: nanos.Draw(t, "pause"), CtxForced: nanos.Draw(t, "ctx"), FixtureCPUNS: nanos.Draw(t, "fixture"),
			Start: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "start"), 0),
		}
		if rapid.Bool().Draw(t, "known") {
			tr.Others = &results.Outside{Flagged: rapid.Bool().Draw(t, "flagged"), Steal: rapid.Float64().Draw(t, "steal")}
		}
		if rapid.IntRange(0, 2).Draw(t, "split") == 0 {
			tr.Split = randomSplit(t, text, nanos)
		}
		if p.Commands != nil {
			tr.UserNS, tr.SystemNS, tr.ShellNS = nanos.Draw(t, "user"), nanos.Draw(t, "system"), nanos.Draw(t, "shell")
			tr.PeakBound, tr.Exits = rapid.Bool().Draw(t, "bound"), map[string]int{text.Draw(t, "exit"): rapid.Int().Draw(t, "exits")}
		}
		run.Trials = append(run.Trials, tr)
	}
	for range rapid.IntRange(0, 2).Draw(t, "notes") {
		run.Notes = append(run.Notes, results.Note{Type: rapid.SampledFrom([]string{"end", "resume"}).Draw(t, "type"),
			Reason: text.Draw(t, "end"), Joined: rapid.Bool().Draw(t, "joined"), Differs: rapid.SliceOfN(text, 0, 2).Draw(t, "differs")})
	}
	return run
}

// randomSplit draws a split that need not add up.
func randomSplit(t *rapid.T, text *rapid.Generator[string], nanos *rapid.Generator[int64]) *results.Split {
	s := &results.Split{
		Tasks: rapid.IntRange(0, 100).Draw(t, "split tasks"), Batches: rapid.IntRange(0, 3).Draw(t, "split batches"),
		Workers: rapid.IntRange(0, 4).Draw(t, "split workers"), WallNS: nanos.Draw(t, "split wall"), StartNS: nanos.Draw(t, "start"),
		ExecutionNS: nanos.Draw(t, "execution"), BetweenNS: nanos.Draw(t, "between"), IdleNS: nanos.Draw(t, "idle"),
		JoinNS: nanos.Draw(t, "join"), TaskNS: nanos.Draw(t, "task"), TransferNS: nanos.Draw(t, "transfer"),
		ProbeNS: nanos.Draw(t, "probe"), Stamped: rapid.IntRange(0, 100).Draw(t, "stamped"), OwnWorkers: rapid.Bool().Draw(t, "own workers"),
	}
	if rapid.Bool().Draw(t, "unseen") {
		s.Unseen = []results.Unseen{{What: text.Draw(t, "what"), Why: text.Draw(t, "why")}}
	}
	return s
}
