package plot

import (
	"image/color"
	"math"
)

// figureWidth is the width of every figure in pixels at 1×: what a page of a code host shows without scaling.
const figureWidth = 820

const (
	margin = 16.0
	axisUp = 52.0 // from the data area's lower edge to below the axis title
)

// heading is the text around a figure's data.
type heading struct {
	title, subtitle, footer string
}

// top draws title and subtitle and returns where the figure goes on.
func (h heading) top(p *painter) float64 {
	p.text(margin, 29, titleStyle.fit(h.title, p.w-2*margin), titleStyle)
	p.text(margin, 49, subStyle.fit(h.subtitle, p.w-2*margin), subStyle)
	return headHeight
}

const (
	headHeight = 64.0
	footHeight = 26.0
)

func (h heading) bottom(p *painter) {
	p.text(margin, p.h-11, footerStyle.fit(h.footer, p.w-2*margin), footerStyle)
}

// mark is an estimate with, perhaps, an interval, or a sample.
type mark struct {
	point, lo, hi float64
	bar           bool // lo and hi are an interval
	obs           []float64
}

// lane is one mark in a row; series is an index into rowPlot.series.
type lane struct {
	series int
	mark   mark
}

// row is a labelled group of lanes. An empty row shows its note in the data area, in place of the marks.
type row struct {
	label, note string
	lanes       []lane
}

// ref is a labelled vertical line.
type ref struct {
	v     float64
	label string
}

// rowPlot is a horizontal plot: one row per label, one lane for each of its marks. It knows rows and series only.
type rowPlot struct {
	heading
	rows   []row
	series []string // legend; not drawn when there is one
	legend string   // title of the legend
	refs   []ref
	x      axis
	// ticks gives the axis its ticks, room being the number of labels there is room for, and returns the axis title.
	ticks func(a *axis, room int) string
	// sample draws each lane's observations with a box instead of the estimate with an error bar.
	sample bool
	// points draws each lane's observations below its estimate.
	points bool
}

const (
	legendLine = 18.0
	// tall is the height of data beyond which lanes become flatter.
	tall = 3600.0
	// tooTall is the height beyond which a figure is no use to anyone.
	tooTall = 9000.0
)

// rowLayout is where the parts of a rowPlot go.
type rowLayout struct {
	height         float64
	x0, x1, y0, y1 float64 // the data area
	lane           float64
	legendX        float64
	labels, notes  []string
}

// laneHeight returns the height of one lane in a row of n.
func (r *rowPlot) laneHeight(n int) float64 {
	h := 7.5
	switch {
	case r.sample && n <= 4:
		h = 19
	case r.points:
		h = 24
	case r.sample:
		h = 15
	case n <= 2:
		h = 12
	case n <= 4:
		h = 10
	}
	return h
}

const rowPad = 9.0

func (r *rowPlot) rowHeight(row row, lane float64) float64 {
	h := 26.0
	if len(r.rows) <= 3 {
		h = 38
	}
	if row.note != "" && len(row.lanes) > 0 {
		h = math.Max(h, 36)
	}
	return math.Max(h, float64(len(row.lanes))*lane+rowPad)
}

func (r *rowPlot) layout() rowLayout {
	var l rowLayout
	most, labelWidth := 0, 0.0
	for _, row := range r.rows {
		most = max(most, len(row.lanes))
		label, note := labelStyle.fit(elide(row.label), 280), ""
		w := labelStyle.width(label)
		if len(row.lanes) > 0 {
			note = noteStyle.fit(row.note, 280)
			w = math.Max(w, noteStyle.width(note))
		}
		l.labels, l.notes = append(l.labels, label), append(l.notes, note)
		labelWidth = math.Max(labelWidth, w)
	}
	l.lane = r.laneHeight(most)
	total := func() (h float64) {
		for _, row := range r.rows {
			h += r.rowHeight(row, l.lane)
		}
		return h
	}
	for total() > tall && l.lane > 3 {
		l.lane *= 0.9
	}
	l.x0 = margin + 8 + labelWidth + 10
	l.x1 = figureWidth - margin - 14
	if len(r.series) > 1 {
		w := headStyle.width(r.legend)
		for _, s := range r.series {
			w = math.Max(w, 18+labelStyle.width(s))
		}
		l.legendX = figureWidth - margin - w
		l.x1 = l.legendX - 24
	}
	l.y0 = headHeight
	if len(r.refs) > 0 {
		l.y0 += 16
	}
	l.y1 = l.y0 + total()
	l.height = l.y1
	if len(r.series) > 1 {
		l.height = math.Max(l.height, l.y0+float64(len(r.series)+1)*legendLine-axisUp)
	}
	l.height += axisUp + footHeight
	return l
}

// draw implements figure drawing.
func (r *rowPlot) draw(p *painter) {
	l := r.layout()
	a := r.x
	a.from, a.to = l.x0, l.x1
	r.headingWith(r.hidden(&a)).top(p)
	title := r.ticks(&a, int((l.x1-l.x0)/75))
	a.thin(tickStyle.width, 10)

	y := l.y0
	for i, row := range r.rows {
		h := r.rowHeight(row, l.lane)
		if i%2 == 0 {
			p.rect(band, box{margin, y, l.x1, y + h})
		}
		y += h
	}
	for _, t := range a.ticks {
		if t.label != "" {
			p.line(gridLine, 1, nil, [2]float64{a.at(t.v), l.y0}, [2]float64{a.at(t.v), l.y1})
		}
	}
	r.drawRefs(p, &a, l)
	y = l.y0
	for i, row := range r.rows {
		h := r.rowHeight(row, l.lane)
		r.drawRow(p, &a, l, i, y+h/2)
		y += h
	}
	bottomAxis(p, &a, l.y1, title)
	if len(r.series) > 1 {
		r.drawLegend(p, l)
	}
	r.bottom(p)
}

func (r *rowPlot) drawRow(p *painter, a *axis, l rowLayout, i int, mid float64) {
	row, x := r.rows[i], l.x0-10
	rowLabel(p, x, mid, l.labels[i], l.notes[i])
	if len(row.lanes) == 0 {
		p.text(l.x0+10, mid+4, noteStyle.fit(row.note, l.x1-l.x0-20), noteStyle)
		return
	}
	y := mid - l.lane*float64(len(row.lanes)-1)/2
	for k, ln := range row.lanes {
		s := styleOf(ln.series)
		at := y + float64(k)*l.lane
		if r.sample {
			drawSample(p, a, at, l.lane, ln.mark, s)
			continue
		}
		if r.points {
			drawTrials(p, a, at+trialsBelow, ln.mark.obs, s)
			at -= trialsBelow
		}
		p.glyph(s, a.at(ln.mark.point), at, glyphSize)
		if ln.mark.bar && !narrow(a, ln.mark) {
			errorBar(p, a, at, l.lane, ln.mark, shade(s.colour))
		}
	}
}

// rowLabel draws the label of a row that ends at x, and the note below it, if there is one.
func rowLabel(p *painter, x, mid float64, label, note string) {
	if note == "" {
		p.text(x, mid+4, label, labelStyle.aligned(right))
		return
	}
	p.text(x, mid-2, label, labelStyle.aligned(right))
	p.text(x, mid+12, note, noteStyle.aligned(right))
}

// narrow reports whether an interval hides behind its glyph. Its bar would only blur the glyph; the subtitle says so.
func narrow(a *axis, m mark) bool {
	at := a.at(m.point)
	return math.Abs(a.at(m.lo)-at) < glyphSize && math.Abs(a.at(m.hi)-at) < glyphSize
}

// hidden reports whether any interval is narrower than its glyph.
func (r *rowPlot) hidden(a *axis) bool {
	for _, row := range r.rows {
		for _, ln := range row.lanes {
			if ln.mark.bar && narrow(a, ln.mark) {
				return true
			}
		}
	}
	return false
}

// headingWith returns the heading, with a remark where bars are hidden.
func (h heading) headingWith(hidden bool) heading {
	if hidden {
		h.subtitle += " · no bar: the interval is narrower than the glyph"
	}
	return h
}

// errorBar draws a horizontal interval with caps, over the glyph, so that caps close to it are seen too; where it goes on beyond the axis it ends in an arrow.
func errorBar(p *painter, a *axis, y, room float64, m mark, c color.NRGBA) {
	x0, more0 := a.clamp(m.lo)
	x1, more1 := a.clamp(m.hi)
	p.line(c, 1.3, nil, [2]float64{x0, y}, [2]float64{x1, y})
	half := math.Min(5, math.Max(3, room*0.45))
	capAt := func(x float64, more bool, dir float64) {
		if more {
			p.fill(c, p.polygon([2]float64{x, y}, [2]float64{x - dir*6, y - 3}, [2]float64{x - dir*6, y + 3}))
			return
		}
		p.line(c, 1.3, nil, [2]float64{x, y - half}, [2]float64{x, y + half})
	}
	capAt(x0, more0, -1)
	capAt(x1, more1, 1)
}

// drawRefs draws the vertical lines and, above the data, as many of their labels as there is room for: the last one
// first, because it is the largest.
func (r *rowPlot) drawRefs(p *painter, a *axis, l rowLayout) {
	var taken []box
	for i := len(r.refs) - 1; i >= 0; i-- {
		v := r.refs[i]
		if !a.has(v.v) {
			continue
		}
		x := a.at(v.v)
		p.line(refLine, 1, []float64{5, 3}, [2]float64{x, l.y0 - 3}, [2]float64{x, l.y1})
		half := subStyle.width(v.label)/2 + 5
		b := box{x - half, 0, x + half, 1}
		free := b.x0 >= margin && b.x1 <= figureWidth-margin
		for _, t := range taken {
			free = free && !b.overlaps(t)
		}
		if free {
			taken = append(taken, b)
			p.text(x, l.y0-7, v.label, subStyle.aligned(centre))
		}
	}
}

func (r *rowPlot) drawLegend(p *painter, l rowLayout) {
	y := l.y0 + 12
	p.text(l.legendX, y, r.legend, headStyle)
	for i, s := range r.series {
		y := y + float64(i+1)*legendLine
		p.glyph(styleOf(i), l.legendX+6, y-4, 4.6)
		p.text(l.legendX+18, y, s, labelStyle)
	}
}

// bottomAxis draws a horizontal axis below the data.
func bottomAxis(p *painter, a *axis, y float64, title string) {
	p.line(frame, 1, nil, [2]float64{a.from, y}, [2]float64{a.to, y})
	for _, t := range a.ticks {
		n := 3.0
		if t.label != "" {
			n = 5
			p.text(a.at(t.v), y+18, t.label, tickStyle)
		}
		p.line(frame, 1, nil, [2]float64{a.at(t.v), y}, [2]float64{a.at(t.v), y + n})
	}
	p.text((a.from+a.to)/2, y+39, title, labelStyle.aligned(centre))
}

// leftAxis draws a vertical axis at x, between y0 and y1, beside the data.
func leftAxis(p *painter, a *axis, x, y0, y1 float64, title string) {
	p.line(frame, 1, nil, [2]float64{x, y0}, [2]float64{x, y1})
	for _, t := range a.ticks {
		n := 3.0
		if t.label != "" {
			n = 5
			p.text(x-9, a.at(t.v)+4, t.label, tickStyle.aligned(right))
		}
		p.line(frame, 1, nil, [2]float64{x - n, a.at(t.v)}, [2]float64{x, a.at(t.v)})
	}
	p.upText(margin+6, (y0+y1)/2, title, labelStyle)
}

// rungs draws a line of the grid at each labelled tick of a vertical axis.
func rungs(p *painter, a *axis, x0, x1 float64) {
	for _, t := range a.ticks {
		if t.label != "" {
			p.line(gridLine, 1, nil, [2]float64{x0, a.at(t.v)}, [2]float64{x1, a.at(t.v)})
		}
	}
}
