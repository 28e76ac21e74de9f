package report

import (
	"fmt"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/crossover"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// grainCeiling is what a report says of the machine's own scaling, where a table holds work that it limits.
func grainCeiling(rep *crossover.Report) string {
	for i := range rep.Tables {
		if rep.Tables[i].Computes {
			return ceilingText(rep.Analysis)
		}
	}
	return ""
}

// Where space is short, intervals go before costs, and the grain's own first.
const dropInterval, dropGrain = 1000, 2000

// cheapestMark stands before the cost that is told from all others of its grain.
const cheapestMark = "▸"

// costsGrid has a row for each grain, and for each curve its costs and their intervals. The cheapest of a row is marked
// where it is told from all others.
func costsGrid(t *crossover.Table, unit quantity.Unit) *grid {
	suffix := ""
	if unit.Scale > 0 {
		suffix = " (" + unit.Symbol + ")"
	}
	g := &grid{lines: make([]line, len(t.Grains))}
	add := func(c column, cells []string) {
		g.cols = append(g.cols, c)
		for i := range g.lines {
			g.lines[i].cells = append(g.lines[i].cells, cells[i])
		}
	}
	if t.Parameter != "" {
		add(column{head: EscapeTerminal(clipped(t.Parameter)), long: t.Parameter}, t.Asked)
	}
	// The grain is the reference's cost; where that failed, what calibration saw.
	var ref *crossover.Curve
	for i := range t.Curves {
		if t.Curves[i].Reference && ref == nil {
			ref = &t.Curves[i]
		}
	}
	points, brackets, head := costCells(t, ref, unit)
	for i, grain := range t.Grains {
		if points[i] == absent {
			points[i] = written(grain, unit)
		}
	}
	add(column{head: "grain" + suffix, long: "grain" + suffix}, points)
	add(column{head: head, long: "grain " + flat(head), left: true, drop: dropGrain}, brackets)
	shown := 0
	for i := range t.Curves {
		c := &t.Curves[i]
		if c == ref && len(t.Curves) > 1 {
			continue
		}
		shown++
		points, brackets, head := costCells(t, c, unit)
		for k, grain := range t.Grains {
			if t.Cheapest(grain) == i {
				points[k] = cheapestMark + " " + points[k]
			}
		}
		name := t.Title(i)
		title := EscapeTerminal(clipped(c.Name))
		if name != c.Name {
			title += "\n" + strings.TrimPrefix(name, c.Name+" ")
		}
		add(column{head: title, long: "per task under " + name + suffix, drop: shown}, points)
		add(column{head: head, long: name + " " + flat(head), left: true, drop: dropInterval + shown}, brackets)
	}
	return g
}

// written is a time in the unit asked for, or else in its own.
func written(seconds float64, unit quantity.Unit) string {
	if unit.Scale > 0 {
		return quantity.Digits(unit.In(seconds), 3)
	}
	return quantity.Duration(seconds)
}

// costCells writes a curve's costs by grain, and their intervals in the same units, with the head of the intervals' column:
// their level and the trials behind each, which a cell says itself where it has fewer.
func costCells(t *crossover.Table, c *crossover.Curve, unit quantity.Unit) (points, brackets []string, head string) {
	var e estimates
	most := 0
	costs := make([]analysis.Interval, len(t.Grains))
	symbols := make([]string, len(t.Grains))
	for i, grain := range t.Grains {
		if c != nil {
			for _, q := range c.Points {
				if q.Grain == grain {
					costs[i] = q.Cost
				}
			}
		}
		most = max(most, costs[i].N)
		u := unit
		if u.Scale == 0 {
			u = quantity.Time(costs[i].Point)
			symbols[i] = " " + u.Symbol
		}
		e.add(costs[i], u.Scale)
	}
	points, brackets = e.points, e.brackets
	for i, v := range costs {
		if v.N == 0 {
			continue
		}
		points[i] += symbols[i]
		if v.N < most {
			brackets[i] = strings.TrimSpace(fmt.Sprintf("%s n = %d", brackets[i], v.N))
		}
	}
	if most == 0 {
		return points, brackets, ""
	}
	head = fmt.Sprintf("n = %d", most)
	if l := e.level(); l != "" {
		head = "[" + l + "]\n" + head
	}
	return points, brackets, head
}

// flat is a column's head on one line.
func flat(head string) string { return strings.ReplaceAll(head, "\n", ", ") }
