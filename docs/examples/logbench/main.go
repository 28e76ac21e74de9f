// Command logbench measures what a program that reads the logs of web servers does all day: it parses them, compresses
// them and looks addresses up. It is an example of a program of one's own; docs/programs.md explains it.
//
//	go build && parbench run --program ./logbench
package main

import (
	"fmt"
	"os"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads"
)

func main() {
	mine := workloads.NewRegistry(parse, compress, lookup{})
	mine.AddFixture("names", nameServer{})
	ways := strategies.Builtin()
	ways.Add(blocks{})
	trial.Program{Workloads: mine, Strategies: ways}.Main() // first: in a trial and in a worker it does not return

	fmt.Fprintln(os.Stderr, "logbench is a program for parbench, which starts it: parbench run --program ./logbench")
	os.Exit(2)
}
