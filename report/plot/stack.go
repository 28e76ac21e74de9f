package plot

import (
	"fmt"
	"image/color"
	"math"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// bar is one stacked bar: parts of a whole, in the order of the plot's series.
type bar struct {
	tag   string // before the bar
	parts []float64
	total string // after it
}

// stackRow is a labelled group of bars. Its note stands below the label, and without bars in their place.
type stackRow struct {
	label, note string
	bars        []bar
}

// stackPlot is a horizontal plot of parts of 100 %. It knows rows, bars and series only.
type stackPlot struct {
	heading
	rows        []stackRow
	series      []string // an empty one is no part of any bar
	tags, total string   // headings of the two columns of text
}

// The colours of a stack's parts. Their order is the same in every bar and in the legend, and what is wide enough has its
// share written on it, so that no part is known by colour alone.
var stackColours = []color.NRGBA{palette[0], palette[4], palette[1], tint(palette[1], 0.55), tint(palette[6], 0.25), palette[3]}

const (
	barHeight  = 16.0
	barLane    = 20.0
	stackAbove = 48.0 // legend and the columns' headings
	// writtenFrom is the width of a part from which on its share is written on it.
	writtenFrom = 34.0
)

type stackLayout struct {
	height                   float64
	labelX, tagX, x0, x1, y0 float64
	labels, notes            []string
}

// height is that of the row.
func (r *stackRow) height() float64 {
	h := rowPad + barLane*float64(max(len(r.bars), 1))
	if r.note != "" && len(r.bars) > 0 {
		h = math.Max(h, 36)
	}
	return h
}

func (s *stackPlot) layout() stackLayout {
	var l stackLayout
	labels, tags, totals := 0.0, headStyle.width(s.tags), headStyle.width(s.total)
	lanes := 0.0
	for _, r := range s.rows {
		label := labelStyle.fit(elide(r.label), 260)
		note := ""
		if len(r.bars) > 0 {
			note = noteStyle.fit(r.note, 260)
		}
		l.labels, l.notes = append(l.labels, label), append(l.notes, note)
		labels = math.Max(labels, math.Max(labelStyle.width(label), noteStyle.width(note)))
		for _, b := range r.bars {
			tags, totals = math.Max(tags, labelStyle.width(b.tag)), math.Max(totals, labelStyle.width(b.total))
		}
		lanes += r.height()
	}
	l.labelX = margin + 8 + labels
	l.tagX = l.labelX + 14 + tags
	l.x0, l.x1 = l.tagX+10, figureWidth-margin-totals-12
	l.y0 = headHeight + stackAbove
	l.height = l.y0 + lanes + axisUp + footHeight
	return l
}

func (s *stackPlot) draw(p *painter) {
	l := s.layout()
	s.top(p)
	s.drawLegend(p, l)
	p.text(l.tagX, l.y0-8, s.tags, headStyle.aligned(right))
	p.text(l.x1+12, l.y0-8, s.total, headStyle)
	a := axis{min: 0, max: 100, from: l.x0, to: l.x1}
	a.linearTicks(5, 1, "")
	bottom := l.height - axisUp - footHeight
	y := l.y0
	for i, r := range s.rows {
		h := r.height()
		if i%2 == 0 {
			p.rect(band, box{margin, y, figureWidth - margin, y + h})
		}
		rowLabel(p, l.labelX, y+h/2, l.labels[i], l.notes[i])
		if len(r.bars) == 0 {
			p.text(l.x0, y+h/2+4, noteStyle.fit(r.note, l.x1-l.x0), noteStyle)
		}
		for k, b := range r.bars {
			top := y + h/2 + barLane*(float64(k)-float64(len(r.bars))/2) + (barLane-barHeight)/2
			s.drawBar(p, l, top, b)
		}
		y += h
	}
	bottomAxis(p, &a, bottom, "% of the workers' time")
	s.bottom(p)
}

func (s *stackPlot) drawBar(p *painter, l stackLayout, top float64, b bar) {
	base := top + barHeight/2 + 4
	p.text(l.tagX, base, b.tag, labelStyle.aligned(right))
	p.text(l.x1+12, base, b.total, labelStyle)
	whole := 0.0
	for _, v := range b.parts {
		whole += v
	}
	if whole <= 0 {
		return
	}
	x := l.x0
	for i, v := range b.parts {
		w := (l.x1 - l.x0) * v / whole
		if w <= 0 {
			continue
		}
		c := stackColours[i%len(stackColours)]
		p.rect(c, box{x, top, x + w, top + barHeight})
		if x > l.x0 {
			p.line(white, 1, nil, [2]float64{x, top}, [2]float64{x, top + barHeight})
		}
		if w >= writtenFrom {
			st := tickStyle
			st.colour = white
			if light(c) {
				st.colour = ink
			}
			p.text(x+w/2, base, st.fit(quantity.Percent(v/whole), w-4), st)
		}
		x += w
	}
}

// light reports whether dark text reads better on a colour, by its relative luminance (Rec. 709 weights).
func light(c color.NRGBA) bool {
	return 0.2126*float64(c.R)+0.7152*float64(c.G)+0.0722*float64(c.B) > 140
}

func (s *stackPlot) drawLegend(p *painter, l stackLayout) {
	x, y := margin+8.0, headHeight+8
	for i, name := range s.series {
		if name == "" {
			continue
		}
		p.rect(stackColours[i%len(stackColours)], box{x, y - 9, x + 12, y + 3})
		p.text(x+18, y+1, name, labelStyle)
		x += 18 + labelStyle.width(name) + 22
	}
}

// split is the figure of where the time goes.
func (t *table) split() Figure {
	const title = "where the workers' time goes"
	s := &stackPlot{tags: "cores", total: analysis.Per(t.t.All(), "task")}
	s.series = make([]string, len((&analysis.Split{}).Parts()))
	var least *analysis.Row
	leastLabel := ""
	for _, g := range t.groups {
		r := stackRow{label: g.label}
		r.note = missing(g, func(cell *analysis.Row) bool { _, ok := splitBar(cell); return ok })
		for _, cell := range g.rows {
			b, ok := splitBar(cell)
			if !ok {
				continue
			}
			b.total = duration(cell.Split.Wall.Point * float64(max(t.t.All(), 1)))
			r.bars = append(r.bars, b)
			for i, part := range cell.Split.Parts() {
				if part.Time.N > 0 {
					s.series[i] = partLegend[part.Name]
				}
			}
			if least == nil || cell.Split.Share.Point < least.Split.Share.Point {
				least, leastLabel = cell, g.label
			}
		}
		s.rows = append(s.rows, r)
	}
	if least == nil {
		return omit(KindSplit, t.name+": "+title, "no trial had probed batches; measure with --split-rounds 1 or more")
	}
	which := "medians of the probed batches"
	if t.t.Commands() {
		which = "medians of the measured batches"
	}
	s.heading = t.heading(title, which, "100 %: all workers, the whole batch")
	alt := fmt.Sprintf("Shares of the workers' time of %s in tasks, before the first one, between two, idle, and joining, for %s. The least in tasks, %s, is that of %s on %s.",
		t.name, strategies(len(t.groups)), quantity.Percent(least.Split.Share.Point), elide(leastLabel), countOf([]string{fmt.Sprint(least.Cell.Cores)}))
	return Figure{kind: KindSplit, title: s.title, alt: alt, height: math.Ceil(s.layout().height), draw: s.draw}
}

// partLegend names the parts in the legend.
var partLegend = map[string]string{
	"execution": "execution", "start": "start (dispatch)", "between": "between tasks (dispatch, transfer)", "between or idle": "between or idle", "idle": "idle", "join": "join (synchronisation)",
}

// splitBar is a cell's bar, if its split can be drawn. Parts that are not sane are what no measurement gives.
func splitBar(r *analysis.Row) (bar, bool) {
	if !r.Split.Observed() || !sane(r.Split.Wall.Point) || !sane(r.Split.Share.Point) {
		return bar{}, false
	}
	b := bar{tag: fmt.Sprint(r.Cell.Cores)}
	parts, others := r.Split.Parts(), 0.0
	for _, part := range parts {
		if !sane(part.Time.Point) {
			return bar{}, false
		}
		others += part.Time.Point
	}
	others -= parts[0].Time.Point
	// Medians need not add up: the share of execution is the table's, and the others divide what it leaves.
	share := math.Max(0, math.Min(1, r.Split.Share.Point))
	if !(others > 0) {
		share, others = 1, 1
	}
	b.parts = append(b.parts, share)
	for _, part := range parts[1:] {
		b.parts = append(b.parts, (1-share)*part.Time.Point/others)
	}
	return b, true
}
