// Command parbench measures identical workloads under many ways of running tasks in parallel, and reports. See README.md.
package main

import (
	"os"

	"github.com/parbench/parbench/internal/cli"
	_ "github.com/parbench/parbench/internal/entry" // worker processes take over in its init, before the rest is initialised
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
