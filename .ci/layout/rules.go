package main

import (
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// module is this module's path.
const module = "github.com/parbench/parbench"

// Limits of a file.
const (
	maxBytes = 1 << 20
	maxLines = 600 // of Go code that is not a test
)

// topNames is what the top level holds beside dot-files.
var topNames = []string{
	"go.mod", "go.sum", "main.go", "workloads", "strategies", "report", "results",
	"Makefile", "README.md", "LICENSE", "internal", "docs",
}

// anyPackage allows a package to import every other one.
const anyPackage = "*"

// mayImport is the import table: for each package, the packages of this module
// that its code (tests aside) may import. Everything below an entry that ends in
// "/..." is allowed. A package that is not listed is a violation: decide where
// it stands and add it here and in docs/architecture.md.
var mayImport = map[string][]string{
	".": {"internal/entry", "internal/cli"},

	"workloads":                    {},
	"workloads/builtin":            {"workloads"},
	"strategies":                   {"workloads", "strategies/multiproc/..."},
	"strategies/strategytest":      {"strategies", "strategies/multiproc/...", "workloads", "internal/testenv"},
	"strategies/multiproc":         {"strategies/multiproc/..."},
	"strategies/multiproc/...":     {"strategies/multiproc/..."},
	"strategies/multiproc/manager": {"strategies/multiproc", "strategies/multiproc/shm", "strategies/multiproc/spawn"},
	"strategies/thirdparty":        {"strategies", "workloads"},
	"strategies/python":            {"internal/protocol"},
	"strategies/command":           {"workloads", "strategies", "strategies/multiproc/...", "strategies/trial", "results", "results/stat", "internal/capture", "internal/host", "internal/limits", "internal/words"},
	"strategies/trial":             {"workloads", "strategies", "strategies/multiproc/...", "internal/protocol", "internal/limits"},
	"results":                      {},
	"results/codec":                {"results"},
	"results/stat":                 {},
	"results/analysis":             {"results", "results/stat", "results/analysis/quantity"},
	"results/analysis/claim":       {"results", "results/stat", "results/analysis/quantity"},
	"results/analysis/comparison":  {"results/codec", "results/stat", "results/analysis", "results/analysis/quantity"},
	"results/analysis/crossover":   {"results", "results/stat", "results/analysis", "results/analysis/quantity"},
	"results/analysis/gating":      {"results", "results/codec", "results/stat", "results/analysis", "results/analysis/comparison", "results/analysis/quantity"},
	"results/analysis/scaling":     {"results/stat", "results/analysis", "results/analysis/quantity"},
	"results/analysis/quantity":    {},
	"results/analysis/runtest":     {"results"},
	"report":                       {"results", "results/codec", "results/stat", "results/analysis/...", "report/plot"},
	"report/plot":                  {"results", "results/stat", "results/analysis/..."},
	"internal/protocol":            {},
	"internal/entry":               {"workloads", "strategies", "strategies/multiproc/..."},
	"internal/host":                {"results"},
	"internal/doctor":              {"internal/host", "results", "results/stat"},
	"internal/capture":             {},
	"internal/words":               {},
	"internal/limits":              {},
	"internal/harness":             {"results", "workloads", "internal/capture", "internal/protocol", "internal/host", "internal/limits", "strategies/multiproc/spawn"},
	"internal/gate":                {"internal/harness", "results", "results/analysis/gating"},
	"internal/claims":              {"results/analysis/claim", "strategies/multiproc/...", "strategies/python", "internal/host"},
	"internal/cli":                 {anyPackage},
	"internal/testenv":             {},
	"docs/examples/logbench":       {"workloads", "strategies", "strategies/trial"},
	".ci/layout":                   {},
	".ci/testsummary":              {},
	".ci/shapes":                   {"results", "results/analysis"},
	".ci/bench-multiproc":          {".ci/bench-multiproc/work", "internal/cli", "internal/entry", "internal/host", "results", "results/stat", "results/analysis/quantity", "strategies/multiproc/..."},
	".ci/bench-multiproc/small":    {"strategies/multiproc/..."},
	".ci/bench-multiproc/tiny":     {},
	".ci/bench-multiproc/work":     {"strategies/multiproc/..."},
}

// testOnly are packages of this module that only tests (and each other) import.
var testOnly = []string{"internal/testenv", "strategies/strategytest", "results/analysis/runtest"}

// onlyImporter names, for modules whose use is confined by design, the one
// package that imports them, tests included.
var onlyImporter = map[string]string{
	"github.com/spf13/cobra":           "internal/cli",
	"github.com/spf13/pflag":           "internal/cli",
	"gonum.org/v1/plot":                "report/plot",
	"github.com/montanaflynn/stats":    "results/stat",
	"github.com/panjf2000/ants":        "strategies/thirdparty",
	"github.com/alitto/pond":           "strategies/thirdparty",
	"github.com/sourcegraph/conc":      "strategies/thirdparty",
	"github.com/gammazero/workerpool":  "strategies/thirdparty",
	"github.com/Jeffail/tunny":         "strategies/thirdparty",
	"github.com/aclements/go-moremath": "results/stat",
	"github.com/klauspost/cpuid":       "internal/host",
	"github.com/prometheus/procfs":     "internal/host",
}

// testModules are modules that only tests import.
var testModules = []string{
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal",
	"go.uber.org/goleak", "pgregory.net/rapid",
}

// leanPackages are initialised by every worker process before its first task;
// heavyPackages cost too much there.
var (
	leanPackages = []string{
		"workloads", "strategies", "strategies/multiproc", "strategies/multiproc/spawn", "internal/entry",
		".ci/bench-multiproc/work",
	}
	heavyPackages = []string{"fmt", "encoding/json", "net/http", "golang.org/x/sys"}
)

// machinePath matches absolute paths that exist on one machine only: a home
// directory or a checkout. It is put together here so that this file does not
// match it.
var machinePath = regexp.MustCompile(`(^|[^\w./-])(/` + `home/[a-z][\w-]*/|/` + `Users/[a-z][\w-]*/|/` + `root/\w|/` + `work/\w|/tmp/` + `bash_jobs)`)

// below reports whether pkg is the package or module root, or lies below it.
func below(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

// allowed reports whether the table entry permits pkg.
func allowed(entry []string, pkg string) bool {
	return slices.ContainsFunc(entry, func(e string) bool {
		if root, ok := strings.CutSuffix(e, "/..."); ok {
			return below(pkg, root)
		}
		return e == anyPackage || e == pkg
	})
}

// entryFor finds the table entry of a package: its own, or the "/..." one above.
func entryFor(pkg string) (entry []string, ok bool) {
	if entry, ok = mayImport[pkg]; ok {
		return entry, true
	}
	for p := pkg; p != ""; {
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
		if entry, ok = mayImport[p+"/..."]; ok {
			return entry, true
		}
	}
	return nil, false
}

// publicHosts may be named anywhere.
var publicHosts = []string{"proxy.golang.org", "goproxy.io", "sum.golang.org", "pypi.org", "files.pythonhosted.org"}

// privateHosts returns the hosts of the package registries this machine is set
// up with, where they are not the public ones. They must not leak into the tree,
// and so they are read from the environment instead of being listed.
func privateHosts() []string {
	sources := []string{os.Getenv("PIP_INDEX_URL"), os.Getenv("npm_config_registry")}
	if out, err := exec.Command("go", "env", "GOPROXY", "GOSUMDB").Output(); err == nil {
		sources = append(sources, strings.FieldsFunc(string(out), func(r rune) bool { return strings.ContainsRune(",|\n ", r) })...)
	}
	var hosts []string
	for _, s := range sources {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil || !strings.Contains(u.Hostname(), ".") || slices.Contains(publicHosts, u.Hostname()) || u.Hostname() == "127.0.0.1" {
			continue
		}
		hosts = append(hosts, u.Hostname())
	}
	return hosts
}
