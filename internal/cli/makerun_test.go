package cli

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// makeRun is the scripts' command "makerun": it writes a run file with known properties, the same one for the same flags.
// Times are grain × strategy's factor / Amdahl or USL speedup at k cores + overhead, with lognormal noise.
func makeRun() {
	fl := flag.NewFlagSet("makerun", flag.ExitOnError)
	out := fl.String("o", "run.jsonl", "file to write")
	noise := fl.Float64("noise", .005, "deviation of the logarithm")
	draw := fl.Uint64("draw", 1, "seed of the noise")
	seed := fl.Uint64("seed", 7, "seed of the plan")
	rounds := fl.Int("rounds", 10, "rounds")
	tasks := fl.Int("tasks", 32, "tasks of a batch")
	programs := fl.String("programs", "self", "labels of the programs")
	workload := fl.String("workload", "primes", "workload")
	grains := fl.String("grains", "", "grains in ns, swept as spin does")
	cores := fl.String("cores", "1,2", "core counts")
	strategies := fl.String("strategies", "pool,process-pool", "strategies")
	alpha := fl.Float64("alpha", .02, "contention")
	beta := fl.Float64("beta", 0, "coherency")
	factors := fl.String("factors", "", "factors of time: pool=1.05,head/pool=1.1,pool/2=0.9")
	overhead := fl.String("overhead", "", "overhead per task in ns: pool=100,process-pool=9000")
	digest := fl.String("digest", "", "digest of all trials")
	cpu := fl.String("cpu", "", "CPU model")
	fail := fl.String("fail", "", "strategy that fails")
	look := fl.Int("gate", 0, "rounds of a gate's first look; the others confirm it")
	_ = fl.Parse(os.Args[1:])

	spec := runtest.Spec{Rounds: *rounds, Seed: *draw, Environment: runtest.Machine()}
	if *cpu != "" {
		spec.Environment.CPUModel = *cpu
	}
	spec.Environment.Programs = nil
	factor, extra := pairsOf(*factors), pairsOf(*overhead)
	list := []string{"1210000"}
	if *grains != "" {
		list = strings.Split(*grains, ",")
	}
	for _, p := range strings.Split(*programs, ",") {
		spec.Environment.Programs = append(spec.Environment.Programs, results.Program{Label: p, Runtime: "go1.26.8 linux/amd64", Hash: strings.Repeat("ab", 32)})
	}
	for _, text := range list {
		g, _ := strconv.ParseFloat(text, 64)
		w := runtest.Workload{Entry: results.PlanEntry{Key: *workload, Name: *workload, Kind: "cpu", Doc: "work", Tasks: *tasks, GrainNS: g,
			Params: map[string]string{"limit": "50000"}}}
		if *grains != "" {
			w.Entry.Key = fmt.Sprintf("%s{grain=%sns}", *workload, text)
			w.Entry.Params = map[string]string{"grain": text + "ns", "iterations": text}
		}
		for _, p := range strings.Split(*programs, ",") {
			cell := func(strategy string, k int) runtest.Cell {
				n := float64(k)
				speed := n / (1 + *alpha*(n-1) + *beta*n*(n-1))
				t := g / speed
				for _, key := range []string{strategy, p + "/" + strategy, strategy + "/" + strconv.Itoa(k)} {
					if f, ok := factor[key]; ok {
						t *= f
					}
				}
				t += extra[strategy]
				c := runtest.Cell{Cell: results.Cell{Program: p, Strategy: strategy, Cores: k, Workers: k}, PerTask: t / 1e9, Noise: *noise, Busy: n, Peak: 12 << 20}
				if strategy == *fail {
					c.Fail, c.Reason = results.TaskFailed, "task 3: \x1b[31mno such thing"
				}
				return c
			}
			ref := cell("sequential", 1)
			ref.Reference, ref.OneCore = true, true
			w.Cells = append(w.Cells, ref)
			for _, s := range strings.Split(*strategies, ",") {
				for _, k := range strings.Split(*cores, ",") {
					n, err := strconv.Atoi(k)
					if err != nil {
						panic(err)
					}
					w.Cells = append(w.Cells, cell(s, n))
				}
			}
		}
		spec.Workloads = append(spec.Workloads, w)
	}
	run := runtest.Build(spec)
	run.Header.Plan.Seed = *seed
	if *look > 0 {
		run.Header.Plan.Gate = &results.Gate{MinEffect: .02, Looks: 3, Pairs: *look}
	}
	run.Header.Plan.Hash = run.Header.Plan.ComputeHash()
	for i := range run.Trials {
		if *look > 0 && run.Trials[i].Round >= *look {
			run.Trials[i].Stage = 1
		}
		if *digest != "" {
			run.Trials[i].Digest = *digest
		}
	}
	if err := writeRun(*out, run); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pairsOf reads "a=1,b=2".
func pairsOf(text string) map[string]float64 {
	m := map[string]float64{}
	for _, kv := range strings.Split(text, ",") {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k], _ = strconv.ParseFloat(v, 64)
		}
	}
	return m
}

func writeRun(path string, run *results.Run) error {
	w, err := results.Create(path, run.Header)
	if err != nil {
		return err
	}
	for i := range run.Trials {
		if err := w.Trial(&run.Trials[i]); err != nil {
			return err
		}
	}
	for _, n := range run.Notes {
		if err := w.Note(n); err != nil {
			return err
		}
	}
	return w.Close()
}
