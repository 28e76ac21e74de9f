package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/claims"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/python"
)

const claimsLong = `Put claims that articles make about Python's processes and threads to the test: each is observed under every interpreter
given and, where it makes sense, in Go with strategies/multiproc. Each gets a verdict (confirmed, refuted, partly, does
not apply, not decided) with the measured evidence. Nothing is stored: other interpreters and machines give other verdicts.

docs/claims.md tells how to read it and shows a page.`

const claimsExample = `  parbench claims                                      # all, under the python3 of PATH: about a minute
  parbench claims C14 C16                              # what a crash costs, whether threads use several cores
  parbench claims --python python3.11,python3.13t      # where do interpreters differ?
  parbench claims -f md -o claims.md                   # a page for an article
  parbench claims --list`

// claimsFlags are the flags of parbench claims.
type claimsFlags struct {
	python         []string
	only           []string
	list           bool
	format, output string
	budget         time.Duration
	chosen         []claim.Claim
	write          func(io.Writer, *claim.Report) error
}

func (a *app) claimsCommand() *cobra.Command {
	var f claimsFlags
	cmd := &cobra.Command{
		Use: "claims [CLAIM ...]", Short: "Put what articles claim about processes and threads to the test", Long: claimsLong, Example: claimsExample,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return claimNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(a, args); err != nil {
				return err
			}
			if f.list {
				return a.emit(f.output, func(w io.Writer) error { return listClaims(w, f.chosen) })
			}
			return a.checkClaims(&f)
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.python, "python", nil, "interpreters, by name or path, separated by commas (default: python3 of PATH)")
	fl.StringSliceVar(&f.only, "only", nil, "claims to check, such as C3,C7 (default: all)")
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(claimNames(), cobra.ShellCompDirectiveNoFileComp))
	fl.BoolVar(&f.list, "list", false, "list the claims and check nothing")
	fl.StringVarP(&f.format, "format", "f", "text", "text, md, json or csv")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "md", "json", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	fl.StringVarP(&f.output, "output", "o", "-", "file to write; - is standard output")
	fl.DurationVar(&f.budget, "budget", claims.DefaultBudget, "most time for each interpreter, and for Go; what it does not suffice for is not decided")
	return cmd
}

func claimNames() (names []string) {
	for _, c := range claim.All() {
		names = append(names, c.ID)
	}
	return names
}

// check finds mistakes before anything is started.
func (f *claimsFlags) check(a *app, args []string) (err error) {
	var ids []string
	for _, id := range slices.Concat(args, f.only) {
		ids = append(ids, strings.TrimSpace(id))
	}
	if f.chosen, err = claim.Select(ids); err != nil {
		return refused(err)
	}
	if f.budget < time.Second || f.budget > time.Hour {
		return usagef("--budget %v: write a duration from 1s to 1h", f.budget)
	}
	write, ok := map[string]func(io.Writer, *claim.Report) error{
		"text": func(w io.Writer, r *claim.Report) error {
			return report.ClaimsText(w, r, a.textTo(f.output, &textFlags{}))
		},
		"md":   func(w io.Writer, r *claim.Report) error { return report.ClaimsMarkdown(w, r, report.MDOptions{}) },
		"json": report.ClaimsJSON, "csv": report.ClaimsCSV,
	}[f.format]
	if !ok {
		return usagef("--format %q: write text, md, json or csv", f.format)
	}
	f.write = write
	return canWrite(f.output)
}

// canWrite reports whether a file could be written there, before an hour's work depends on it.
func canWrite(path string) error {
	if path == "-" || path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("--output %s: it is a directory; name a file in it", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".parbench-*")
	if err != nil {
		return usagef("--output %s: cannot be written: %v", path, cause(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// checkClaims observes and reports. What could be observed is reported, too, when the rest was interrupted or failed.
func (a *app) checkClaims(f *claimsFlags) error {
	stop := watchInterrupts(func(string) {})
	defer stop.release()
	defer keepPipeErrors()()
	found, called, left, err := a.findPythons(stop.Until(), f.python)
	if code := stop.code(); code != 0 {
		return &exitError{code, errors.New("interrupted before anything was checked")}
	}
	if err != nil {
		return err
	}
	p := newProgress(a.stderr, a.quiet, a.verbose, 0)
	rep, err := claims.Check(stop.Until(), claims.Options{
		Claims: f.chosen, Pythons: found, Budget: f.budget,
		Progress: func(x claims.Progress) {
			p.step(x.Claim.ID, fmt.Sprintf("%d/%d  %s under %s: %s", x.Done+1, x.Total, x.Claim.ID, report.EscapeTerminal(x.Subject), x.Claim.Short))
		},
	})
	p.clear()
	if err != nil {
		return refused(err)
	}
	rep.Tool, rep.Left, rep.Args = versionText(), left, f.repeated(called)
	if err := a.emit(f.output, func(w io.Writer) error { return f.write(w, rep) }); err != nil {
		return err
	}
	switch failed := rep.FailedText(); {
	case rep.Interrupted:
		return &exitError{stop.code(), errors.New("interrupted; what was not come to is not decided")}
	case failed != "":
		return &exitError{exitFailed, errors.New(failed + "; the evidence says what happened")}
	}
	return nil
}

// findPythons finds the interpreters, each once, and how each may be called on another machine. Those that cannot be used
// are left out, with a line for each; it is an error when none is left.
func (a *app) findPythons(ctx context.Context, values []string) (found []python.Interpreter, called, left []string, err error) {
	names, err := splitNames(values)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(names) == 0 {
		names = []string{""}
	}
	p := &interpreters{labels: map[string]string{}}
	var foundAs []string
	for _, name := range names {
		in, err := python.Find(ctx, name)
		switch {
		case ctx.Err() != nil:
			return nil, nil, nil, ctx.Err()
		case err != nil:
			left = append(left, err.Error())
		default:
			if at := slices.IndexFunc(found, in.Same); at >= 0 {
				p.isTwice(foundAs[at], name, found[at])
				continue
			}
			found, foundAs = append(found, in), append(foundAs, name)
		}
	}
	a.sayTwice(p)
	for i, label := range python.Labels(found) {
		called = append(called, calledBy(foundAs[i], label))
	}
	if len(found) == 0 {
		return nil, nil, nil, usagef("claims: no interpreter can be used: %s", strings.Join(left, "; "))
	}
	for _, l := range left {
		fmt.Fprintln(a.stderr, "parbench: left out: "+report.EscapeTerminal(l))
	}
	return found, called, left, nil
}

// repeated is the command line that checks the same again.
func (f *claimsFlags) repeated(called []string) []string {
	args := []string{"claims"}
	if len(f.chosen) < len(claim.All()) {
		for _, c := range f.chosen {
			args = append(args, c.ID)
		}
	}
	args = append(args, "--python", strings.Join(called, ","))
	if f.budget != claims.DefaultBudget {
		args = append(args, "--budget", f.budget.String())
	}
	return append(args, "-f", f.format)
}

func listClaims(w io.Writer, list []claim.Claim) error {
	var b strings.Builder
	for _, c := range list {
		var rows []string
		for _, s := range c.Sources {
			rows = append(rows, s.Row)
		}
		fmt.Fprintf(&b, "%-4s %s (%s)\n", c.ID, c.Short, strings.Join(rows, ", "))
		b.WriteString(wrap(c.Text, "     ", 110))
		b.WriteString(wrap("→ "+c.Check, "     ", 110))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
