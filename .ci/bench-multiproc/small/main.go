// Command small is a program with nothing in it but package multiproc. It prints, as JSON, the median of the seconds that
// one of its processes takes from start to join, and the same of the program whose path it is given, started in turn.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

const starts = 40

var nothing = multiproc.Register("small.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })

// Main takes over here: JSON is for the parent alone.
func init() {
	if multiproc.IsChild() {
		multiproc.Main()
	}
}

func main() {
	multiproc.Main()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: small PROGRAM")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "small:", err)
		os.Exit(1)
	}
}

func run(other string) error {
	var process, tiny []float64
	for range starts + 1 {
		began := time.Now()
		if _, err := multiproc.Call(context.Background(), nothing, struct{}{}); err != nil {
			return err
		}
		process = append(process, time.Since(began).Seconds())
		began = time.Now()
		p, err := os.StartProcess(other, []string{other}, &os.ProcAttr{Files: []*os.File{nil, nil, os.Stderr}})
		if err != nil {
			return err
		}
		if _, err := p.Wait(); err != nil {
			return err
		}
		tiny = append(tiny, time.Since(began).Seconds())
	}
	// The first ones fault in what the others find.
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"process": median(process[1:]), "tiny": median(tiny[1:])})
}

// median returns the median of an even number of values.
func median(x []float64) float64 {
	slices.Sort(x)
	return (x[len(x)/2-1] + x[len(x)/2]) / 2
}
