package harness

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/workloads"
)

// resolvedStrategy is a strategy of one program with its complete parameters.
type resolvedStrategy struct {
	protocol.Strategy
	program   int // index of its program in draft.offers
	label     string
	params    map[string]string
	workers   int // asked for; 0: by kind
	reference bool
	added     bool // the plan needs it, nobody asked for it
}

// resolveStrategies finds every selection in each program that offers it, or in the one that the selection names. What a
// program knows but cannot run here goes to d.unavailable. The reference of every program that takes part is added where
// it was not asked for: speedups are ratios to it, and digests are checked against the first program's.
func (d *draft) resolveStrategies(sels []Selection) ([]resolvedStrategy, error) {
	var out []resolvedStrategy
	seen := map[string]string{} // program and complete parameters to label
	for _, sel := range sels {
		found := false
		for p, o := range d.offers {
			if want := sel.Params[programParam]; o.Ceiling || want != "" && want != o.Label {
				continue
			}
			s, ok := o.strategy(sel.Name)
			if !ok {
				continue
			}
			found = true
			r, err := resolveStrategy(sel, s)
			if err != nil {
				return nil, err
			}
			if reason := r.unavailable(); reason != "" {
				d.unavailable = append(d.unavailable, results.Unavailable{Program: o.Label, Strategy: r.label, Reason: reason})
				continue
			}
			same := strings.Join([]string{o.Label, r.Name, workloads.Params(r.params).String(), strconv.Itoa(r.workers)}, " ")
			if first, twice := seen[same]; twice {
				return nil, usage("--strategy %s: the same as %s; leave one out", r.label, first)
			}
			seen[same] = r.label
			r.program = p
			out = append(out, r)
		}
		if !found {
			return nil, d.noStrategy(sel)
		}
	}
	if len(out) == 0 && len(d.unavailable) > 0 {
		return nil, d.nothingLeft()
	}
	return d.addReferences(out)
}

// addReferences marks the reference of each program that takes part, the first program's in any case, and puts those
// first that nobody asked for. Where several programs take part, the first one's comes before all others.
func (d *draft) addReferences(asked []resolvedStrategy) ([]resolvedStrategy, error) {
	var added []resolvedStrategy
	for p, o := range d.offers {
		takesPart := func(r resolvedStrategy) bool { return r.program == p }
		if o.Ceiling || p > 0 && !slices.ContainsFunc(asked, takesPart) {
			continue
		}
		ref, ok := o.reference()
		if !ok {
			return nil, usage("program %s offers no reference: it needs a strategy called \"sequential\", or one that its description marks as reference", o.Label)
		}
		have := false
		for i := range asked {
			if asked[i].program == p && asked[i].Name == ref.Name {
				asked[i].reference, have = true, true
			}
		}
		if have {
			continue
		}
		r, err := resolveStrategy(Selection{Name: ref.Name}, ref)
		if err != nil {
			return nil, err
		}
		r.program, r.reference, r.added = p, true, true
		added = append(added, r)
	}
	all := slices.Concat(added, asked)
	first := slices.IndexFunc(all, func(r resolvedStrategy) bool { return r.program == 0 && r.reference })
	if first > 0 && slices.ContainsFunc(all, func(r resolvedStrategy) bool { return r.program > 0 }) {
		ref := all[first]
		all = slices.Insert(slices.Delete(all, first, first+1), 0, ref)
	}
	return all, nil
}

// unavailable says why the strategy cannot run with these parameters, or "".
func (r resolvedStrategy) unavailable() string {
	if r.Unavailable != "" {
		return r.Unavailable
	}
	for _, p := range r.Params {
		if reason := p.Unavailable[r.params[p.Name]]; reason != "" {
			return reason
		}
	}
	return ""
}

func resolveStrategy(sel Selection, s protocol.Strategy) (resolvedStrategy, error) {
	r := resolvedStrategy{Strategy: s}
	own := maps.Clone(sel.Params)
	delete(own, programParam) // the program stands in a column of its own
	r.label = Selection{sel.Name, own}.Label()
	given := map[string]string{}
	for k, v := range own {
		if k != workersParam {
			given[k] = v
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxWorkers {
			return r, usage("--strategy %s: workers=%q is not a number from 1 to %d", sel.Name, v, maxWorkers)
		}
		if r.OneCore || r.OneWorker || r.Unbounded {
			return r, usage("--strategy %s: it has no workers to choose; leave workers=%s out", sel.Name, v)
		}
		r.workers = n
	}
	p, err := workloads.Resolve(paramSpecs(r.Params), given)
	if err != nil {
		return r, usage("--strategy %s: %v (and workers=N)", sel.Name, err)
	}
	r.params = p
	return r, nil
}

// ownEntries makes of each entry with a calibrated parameter one for each program that was asked for. Their digests still
// come from the entry's owner, which so checks that a program computes with its own parameters what they mean.
func (d *draft) ownEntries() {
	if len(d.asked) < 2 {
		return
	}
	var entries []results.PlanEntry
	var autos []map[string]string
	var owners []int
	for i, e := range d.entries {
		add := func(program string) {
			own := e
			own.Program, own.Params = program, maps.Clone(e.Params)
			entries, autos, owners = append(entries, own), append(autos, d.autos[i]), append(owners, d.owners[i])
		}
		if !calibrated(d.autos[i]) {
			add("")
			continue
		}
		for _, p := range d.asked {
			add(d.offers[p].Label)
		}
	}
	d.entries, d.autos, d.owners = entries, autos, owners
}

// calibrated reports whether one of an entry's rules is measured in a program.
func calibrated(rules map[string]string) bool {
	for _, rule := range rules {
		if strings.HasPrefix(rule, calibrateRule) {
			return true
		}
	}
	return false
}

func (d *draft) noStrategy(sel Selection) error {
	var programs, names []string
	known := false
	for _, o := range d.offers {
		if o.Ceiling {
			continue
		}
		programs = append(programs, o.Label)
		known = known || o.Label == sel.Params[programParam]
		for _, s := range o.Strategies {
			names = appendNew(names, s.Name)
		}
	}
	if want := sel.Params[programParam]; want != "" && !known {
		return usage("--strategy %s: no program %q; there are %s", sel.Name, want, strings.Join(programs, ", "))
	} else if want != "" && slices.Contains(names, sel.Name) {
		return usage("--strategy %s: program %s does not offer it", sel.Name, want)
	}
	return usage("--strategy %q: no such strategy; %sthere are %s", sel.Name, DidYouMean(sel.Name, names), strings.Join(names, ", "))
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// nothingLeft is the error of a plan of which nothing can run.
func (d *draft) nothingLeft() error {
	var why []string
	for _, u := range d.unavailable {
		why = appendNew(why, u.Reason)
	}
	return usage("nothing of what was asked for can run here: %s", strings.Join(why, "; "))
}

func paramSpecs(ps []protocol.Param) []workloads.Param {
	out := make([]workloads.Param, len(ps))
	for i, p := range ps {
		out[i] = workloads.Param{
			Name: p.Name, Type: workloads.ParamType(p.Type), Default: p.Default, Doc: p.Doc,
			Min: p.Min, Max: p.Max, Choices: p.Choices, Auto: p.Auto,
		}
	}
	return out
}

// addEntry adds a workload with the parameters of the first program that offers it.
func (d *draft) addEntry(sel Selection) error {
	owner, w := -1, protocol.Workload{}
	var names []string
	var missing []results.Unavailable
	for p, o := range d.offers {
		for _, x := range o.Workloads {
			if o.Ceiling {
				continue
			}
			names = appendNew(names, x.Name)
			switch {
			case x.Name != sel.Name || owner >= 0:
			case x.Unavailable != "":
				missing = append(missing, results.Unavailable{Program: o.Label, Workload: sel.Name, Reason: x.Unavailable})
			default:
				owner, w = p, x
			}
		}
	}
	switch {
	case owner >= 0:
	case len(missing) > 0:
		d.unavailable = append(d.unavailable, missing...)
		return nil
	default:
		return usage("--workload %q: no such workload; %sthere are %s", sel.Name, DidYouMean(sel.Name, names), strings.Join(names, ", "))
	}
	p, err := workloads.Resolve(paramSpecs(w.Params), sel.Params)
	if err != nil {
		return usage("--workload %s: %v", sel.Name, err)
	}
	auto := map[string]string{}
	for _, spec := range w.Params {
		if _, given := p[spec.Name]; !given && spec.Auto != "" {
			auto[spec.Name] = spec.Auto
		}
	}
	for _, e := range d.entries {
		if e.Name == w.Name && workloads.Params(e.Params).String() == p.String() {
			return usage("--workload %s: given twice with the same parameters", sel.Label())
		}
	}
	d.entries = append(d.entries, results.PlanEntry{
		Name: w.Name, Kind: w.Kind, Doc: w.Doc, Params: p, Fixture: w.Fixture, Probe: w.Probe, OwnN: w.OwnN,
	})
	d.autos, d.owners = append(d.autos, auto), append(d.owners, owner)
	return nil
}
