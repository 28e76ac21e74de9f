package cli

import (
	"fmt"
	"maps"
	"math"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/protocol"
)

// parseSelections reads the values of -w or -s: lists of plain names by comma, or one name with parameters
// ("primes:limit=50000"). "all" stands for everything in all, and a pattern for what it matches there ("parse-*").
func parseSelections(flag string, values, all []string) ([]harness.Selection, error) {
	var out []harness.Selection
	for _, v := range values {
		name, params, has := strings.Cut(v, ":")
		if has {
			if strings.Contains(name, ",") {
				return nil, usagef("--%s %q: a name with parameters takes its own --%s; lists by comma hold plain names", flag, v, flag)
			}
			p, err := parseParams(flag, v, params)
			if err != nil {
				return nil, err
			}
			names, err := matching(flag, name, all)
			if err != nil {
				return nil, err
			}
			for _, n := range names {
				out = append(out, harness.Selection{Name: n, Params: maps.Clone(p)})
			}
			continue
		}
		for _, n := range strings.Split(v, ",") {
			switch n = strings.TrimSpace(n); n {
			case "":
				return nil, usagef("--%s %q: an empty name; write names separated by single commas", flag, v)
			case "all":
				for _, a := range all {
					out = append(out, harness.Selection{Name: a})
				}
			default:
				names, err := matching(flag, n, all)
				if err != nil {
					return nil, err
				}
				for _, m := range names {
					out = append(out, harness.Selection{Name: m})
				}
			}
		}
	}
	return dropRepeatedPlain(out), nil
}

// matching returns the names that a pattern matches. What is no pattern stands for itself, whether there is such a name
// or not: the harness knows what it could have been.
func matching(flag, name string, all []string) ([]string, error) {
	if !strings.ContainsAny(name, "*?[") {
		return []string{name}, nil
	}
	var out []string
	for _, n := range all {
		ok, err := path.Match(name, n)
		if err != nil {
			return nil, usagef("--%s %q: a [ without its ]; write a pattern such as parse-* or [ab]*", flag, name)
		}
		if ok {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil, usagef("--%s %q: it matches nothing; there are %s", flag, name, strings.Join(all, ", "))
	}
	return out, nil
}

// dropRepeatedPlain lets "-s all -s pool" mean all of them once; a selection with parameters is never dropped.
func dropRepeatedPlain(sels []harness.Selection) []harness.Selection {
	seen := map[string]bool{}
	var out []harness.Selection
	for _, s := range sels {
		if len(s.Params) == 0 {
			if seen[s.Name] {
				continue
			}
			seen[s.Name] = true
		}
		out = append(out, s)
	}
	return out
}

func parseParams(flag, whole, text string) (map[string]string, error) {
	p := map[string]string{}
	for _, kv := range strings.Split(text, ",") {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" || v == "" {
			return nil, usagef("--%s %q: %q is not name=value", flag, whole, kv)
		}
		if _, twice := p[k]; twice {
			return nil, usagef("--%s %q: %s is given twice", flag, whole, k)
		}
		p[k] = v
	}
	return p, nil
}

// sweep is one swept parameter: of the workload or strategy owner.
type sweep struct {
	flag, owner, param string
	values             []string
}

// parseSweeps reads -L OWNER.PARAM=V1,V2,… and -P OWNER.PARAM=FROM..TO+STEP or FROM..TO*FACTOR.
func parseSweeps(lists, scans []string) ([]sweep, error) {
	var out []sweep
	add := func(flag, text string, values func(string) ([]string, error)) error {
		head, tail, ok := strings.Cut(text, "=")
		owner, param, dotted := strings.Cut(head, ".")
		if !ok || !dotted || owner == "" || param == "" || tail == "" {
			return usagef("--%s %q: write NAME.PARAMETER=VALUES, for example primes.limit=10000,50000", flag, text)
		}
		vs, err := values(tail)
		if err != nil {
			return err
		}
		for _, s := range out {
			if s.owner == owner && s.param == param {
				return usagef("--%s %q: %s.%s is swept twice", flag, text, owner, param)
			}
		}
		out = append(out, sweep{flag, owner, param, vs})
		return nil
	}
	for _, l := range lists {
		err := add("parameter-list", l, func(tail string) ([]string, error) {
			vs := strings.Split(tail, ",")
			for i, v := range vs {
				if v == "" {
					return nil, usagef("--parameter-list %q: an empty value", l)
				}
				for _, o := range vs[:i] {
					if o == v {
						return nil, usagef("--parameter-list %q: %s occurs twice", l, v)
					}
				}
			}
			return vs, nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, s := range scans {
		if err := add("parameter-scan", s, func(tail string) ([]string, error) { return scanValues(s, tail) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const maxScan = 1000

// scanValues reads FROM..TO+STEP (arithmetic) or FROM..TO*FACTOR (geometric) over whole numbers.
func scanValues(whole, text string) ([]string, error) {
	bad := usagef("--parameter-scan %q: write FROM..TO+STEP or FROM..TO*FACTOR with whole numbers, for example primes.limit=1000..16000*2", whole)
	from, rest, ok := strings.Cut(text, "..")
	op := strings.IndexAny(rest, "+*")
	if !ok || op < 0 {
		return nil, bad
	}
	a, err1 := strconv.ParseInt(from, 10, 64)
	b, err2 := strconv.ParseInt(rest[:op], 10, 64)
	step, err3 := strconv.ParseInt(rest[op+1:], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || b < a || rest[op] == '+' && step < 1 || rest[op] == '*' && (step < 2 || a < 1) {
		return nil, bad
	}
	var out []string
	for v := a; v <= b; {
		if len(out) == maxScan {
			return nil, usagef("--parameter-scan %q: more than %d values; take a larger step", whole, maxScan)
		}
		out = append(out, strconv.FormatInt(v, 10))
		if rest[op] == '+' {
			if v > math.MaxInt64-step {
				break
			}
			v += step
		} else {
			if v > math.MaxInt64/step {
				break
			}
			v *= step
		}
	}
	return out, nil
}

// applySweeps multiplies every selection of a swept owner by the values. A sweep whose owner is not selected, and a
// parameter both fixed and swept, are errors. used collects the sweeps that found their owner.
func applySweeps(sels []harness.Selection, sweeps []sweep, used map[string]bool) ([]harness.Selection, error) {
	for _, sw := range sweeps {
		var out []harness.Selection
		for _, s := range sels {
			if s.Name != sw.owner {
				out = append(out, s)
				continue
			}
			used[sw.owner+"."+sw.param] = true
			if v, fixed := s.Params[sw.param]; fixed {
				return nil, usagef("--%s %s.%s: the parameter is also fixed to %s; fix it or sweep it", sw.flag, sw.owner, sw.param, v)
			}
			for _, v := range sw.values {
				p := map[string]string{sw.param: v}
				for k, o := range s.Params {
					p[k] = o
				}
				out = append(out, harness.Selection{Name: s.Name, Params: p})
			}
		}
		sels = out
	}
	return sels, nil
}

func unusedSweep(sweeps []sweep, used map[string]bool) error {
	for _, s := range sweeps {
		if !used[s.owner+"."+s.param] {
			return usagef("--%s %s.%s: no selected workload or strategy is called %q; add it with -w or -s", s.flag, s.owner, s.param, s.owner)
		}
	}
	return nil
}

// parseCores reads -c: "1,2,4", "1-4", "all" (every count from 1 up) or "max". usable is the number there is.
func parseCores(values []string, usable int) ([]int, error) {
	if len(values) == 0 {
		return harness.DefaultCores(usable), nil
	}
	set := map[int]bool{}
	for _, v := range values {
		for _, item := range strings.Split(v, ",") {
			lo, hi, err := coreRange(strings.TrimSpace(item), usable)
			if err != nil {
				return nil, err
			}
			for k := lo; k <= hi; k++ {
				set[k] = true
			}
		}
	}
	var out []int
	for k := range set {
		out = append(out, k)
	}
	sort.Ints(out)
	return out, nil
}

const maxCores = 4096

func coreRange(item string, usable int) (lo, hi int, err error) {
	switch item {
	case "all":
		return 1, usable, nil
	case "max":
		return usable, usable, nil
	}
	a, b, ranged := strings.Cut(item, "-")
	if !ranged {
		b = a
	}
	lo, err1 := strconv.Atoi(a)
	hi, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || lo < 1 || hi < lo || hi > maxCores {
		return 0, 0, usagef("--cores %q: write core counts such as 1,2,4 or 1-4, or all, or max", item)
	}
	return lo, hi, nil
}

func workloadNames(o *protocol.Description) []string {
	var out []string
	for _, w := range o.Workloads {
		out = append(out, w.Name)
	}
	return out
}

func strategyNames(o *protocol.Description) []string {
	var out []string
	for _, s := range o.Strategies {
		out = append(out, s.Name)
	}
	return out
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
