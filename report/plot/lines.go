package plot

import (
	"image/color"
	"math"
	"slices"
	"strconv"
)

// point is a mark at a place on the core axis.
type point struct {
	cores int
	mark  mark
}

// curve is one series of a linePlot. style is an index for styleOf.
type curve struct {
	label, note string
	style       int
	points      []point // by cores, ascending
}

// linePlot draws curves over core counts with a reference line and a measured ceiling. It knows curves only.
type linePlot struct {
	heading
	curves  []curve
	cores   []int // every core count that occurs, ascending; at least two
	ideal   func(cores float64) float64
	idealAs string
	ceiling []point
	yTitle  string
	ySuffix string
	yFactor float64 // of tick labels: 100 for per cent
	y       axis
}

const (
	lineSample  = 30.0
	curveWidth  = 270.0
	plotHeight  = 360.0
	yTitleRoom  = 20.0
	noteLine    = 14.0
	dodgeAtMost = 11.0
)

type lineLayout struct {
	height         float64
	x0, x1, y0, y1 float64
	legendX        float64
	y              axis
	order          []int // of the legend
	labels         []string
}

func (l *linePlot) layout() lineLayout {
	var out lineLayout
	w, h := 0.0, 0.0
	widen := func(text string, s textStyle) { w = math.Max(w, lineSample+8+s.width(text)) }
	out.order = make([]int, len(l.curves))
	for i, c := range l.curves {
		out.order[i] = i
		label := labelStyle.fit(elide(c.label), curveWidth)
		out.labels = append(out.labels, label)
		widen(label, labelStyle)
		h += legendLine
		if c.note != "" {
			widen(noteStyle.fit(c.note, curveWidth), noteStyle)
			h += noteLine
		}
	}
	for _, extra := range l.extras() {
		widen(extra.label, labelStyle)
		h += legendLine
	}
	// The legend's order is that of the curves' right ends, so that the eye goes straight across.
	slices.SortStableFunc(out.order, func(a, b int) int {
		va, vb := l.curves[a].last(), l.curves[b].last()
		switch {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return 0
	})
	out.legendX = figureWidth - margin - w
	out.y0 = headHeight + 2
	out.y1 = out.y0 + math.Max(plotHeight, h+14-axisUp)
	out.y = l.y
	out.y.from, out.y.to = out.y1, out.y0
	out.y.plainTicks(int((out.y1-out.y0)/45), l.yFactor, l.ySuffix)
	out.y.thin(func(string) float64 { return tickStyle.size }, 6)
	ticks := 28.0
	for _, t := range out.y.ticks {
		ticks = math.Max(ticks, tickStyle.width(t.label))
	}
	out.x0, out.x1 = margin+yTitleRoom+ticks+9, out.legendX-18
	out.height = out.y1 + axisUp + footHeight
	return out
}

// last returns the value at the curve's largest core count; below everything where it has none.
func (c curve) last() float64 {
	if len(c.points) == 0 {
		return math.Inf(-1)
	}
	return c.points[len(c.points)-1].mark.point
}

type legendLineOf struct {
	label string
	width float64
	dash  []float64
}

func (l *linePlot) extras() []legendLineOf {
	out := []legendLineOf{{l.idealAs, 1.4, []float64{1.5, 3}}}
	if len(l.ceiling) > 0 {
		out = append(out, legendLineOf{"this machine's ceiling", 1.8, []float64{10, 4}})
	}
	return out
}

// xAxis returns the core axis: logarithmic to base 2 when core counts span much.
func (l *linePlot) xAxis(x0, x1 float64) axis {
	lo, hi := float64(l.cores[0]), float64(l.cores[len(l.cores)-1])
	a := axis{from: x0, to: x1}
	if lo > 0 && hi/lo >= 8 {
		a.log, a.min, a.max = true, lo/1.2, hi*1.2
	} else {
		pad := math.Max(0.2, (hi-lo)*0.09)
		a.min, a.max = lo-pad, hi+pad
	}
	for _, k := range l.cores {
		a.ticks = append(a.ticks, tick{float64(k), strconv.Itoa(k)})
	}
	return a
}

// offsets returns how many pixels each curve moves sideways at each core count, so that glyphs and error bars of the
// curves that are there stand side by side.
func (l *linePlot) offsets(a *axis) []map[int]float64 {
	out := make([]map[int]float64, len(l.curves))
	for i := range out {
		out[i] = make(map[int]float64)
	}
	for k, cores := range l.cores {
		var here []int
		for i, c := range l.curves {
			if slices.ContainsFunc(c.points, func(q point) bool { return q.cores == cores }) {
				here = append(here, i)
			}
		}
		at := a.at(float64(cores))
		room := 2 * math.Min(at-a.from, a.to-at)
		if k > 0 {
			room = math.Min(room, at-a.at(float64(l.cores[k-1])))
		}
		if k+1 < len(l.cores) {
			room = math.Min(room, a.at(float64(l.cores[k+1]))-at)
		}
		step := math.Min(dodgeAtMost, room*0.6/float64(len(here)))
		for n, i := range here {
			out[i][cores] = (float64(n) - float64(len(here)-1)/2) * step
		}
	}
	return out
}

func (l *linePlot) draw(p *painter) {
	lay := l.layout()
	x := l.xAxis(lay.x0, lay.x1)
	x.thin(tickStyle.width, 8)
	y := lay.y
	l.headingWith(l.hidden(&y)).top(p)

	rungs(p, &y, lay.x0, lay.x1)
	for _, t := range x.ticks {
		p.line(gridLine, 1, nil, [2]float64{x.at(t.v), lay.y0}, [2]float64{x.at(t.v), lay.y1})
	}
	l.drawIdeal(p, &x, &y)
	l.drawCeiling(p, &x, &y)
	for i, off := range l.offsets(&x) {
		l.drawCurve(p, &x, &y, l.curves[i], off)
	}
	bottomAxis(p, &x, lay.y1, "cores")
	leftAxis(p, &y, lay.x0, lay.y0, lay.y1, l.yTitle)
	l.drawLegend(p, lay)
	l.bottom(p)
}

// drawIdeal follows the function across the data area, as far as it lies inside.
func (l *linePlot) drawIdeal(p *painter, x, y *axis) {
	const steps = 240
	var pts [][2]float64
	lo, hi := float64(l.cores[0]), float64(l.cores[len(l.cores)-1])
	for i := range steps + 1 {
		k := lo + (hi-lo)*float64(i)/steps
		if x.log {
			k = lo * math.Pow(hi/lo, float64(i)/steps)
		}
		if v := l.ideal(k); y.has(v) {
			pts = append(pts, [2]float64{x.at(k), y.at(v)})
		}
	}
	if len(pts) > 2 && x.log == y.log { // a straight line needs its ends only
		pts = [][2]float64{pts[0], pts[len(pts)-1]}
	}
	p.line(refLine, 1.4, []float64{1.5, 3}, pts...)
}

// drawCeiling draws the machine's own scaling as a band of its interval with a dashed line.
func (l *linePlot) drawCeiling(p *painter, x, y *axis) {
	var line, up, down [][2]float64
	for _, q := range l.ceiling {
		px := x.at(float64(q.cores))
		mid, _ := y.clamp(q.mark.point)
		hi, lo := mid, mid
		if q.mark.bar {
			hi, _ = y.clamp(q.mark.hi)
			lo, _ = y.clamp(q.mark.lo)
		}
		line = append(line, [2]float64{px, mid})
		up = append(up, [2]float64{px, hi})
		down = append(down, [2]float64{px, lo})
	}
	if len(line) == 0 {
		return
	}
	slices.Reverse(down)
	if len(line) > 1 {
		c := refLine
		c.A = 0x30
		p.fill(c, p.polygon(append(up, down...)...))
	} else {
		line = [][2]float64{{line[0][0] - 14, line[0][1]}, {line[0][0] + 14, line[0][1]}}
	}
	p.line(refLine, 1.8, []float64{10, 4}, line...)
}

func (l *linePlot) drawCurve(p *painter, x, y *axis, c curve, off map[int]float64) {
	s := styleOf(c.style)
	var pts [][2]float64
	for _, q := range c.points {
		py, _ := y.clamp(q.mark.point)
		pts = append(pts, [2]float64{x.at(float64(q.cores)) + off[q.cores], py})
	}
	p.line(s.colour, 1.6, s.dash, pts...)
	for k, q := range pts {
		p.glyph(s, q[0], q[1], glyphSize)
		if m := c.points[k].mark; m.bar && !narrow(y, m) {
			upBar(p, y, q[0], m, shade(s.colour))
		}
	}
}

// hidden reports whether any interval is narrower than its glyph.
func (l *linePlot) hidden(y *axis) bool {
	for _, c := range l.curves {
		for _, q := range c.points {
			if q.mark.bar && narrow(y, q.mark) {
				return true
			}
		}
	}
	return false
}

// upBar draws a vertical interval with caps, and arrows where it goes on beyond the axis.
func upBar(p *painter, y *axis, x float64, m mark, c color.NRGBA) {
	y0, more0 := y.clamp(m.lo)
	y1, more1 := y.clamp(m.hi)
	p.line(c, 1.3, nil, [2]float64{x, y0}, [2]float64{x, y1})
	capAt := func(at float64, more bool, dir float64) {
		if more {
			p.fill(c, p.polygon([2]float64{x, at}, [2]float64{x - 3, at - dir*6}, [2]float64{x + 3, at - dir*6}))
			return
		}
		p.line(c, 1.3, nil, [2]float64{x - 4, at}, [2]float64{x + 4, at})
	}
	capAt(y0, more0, 1)
	capAt(y1, more1, -1)
}

func (l *linePlot) drawLegend(p *painter, lay lineLayout) {
	x, y := lay.legendX, lay.y0+10
	for _, i := range lay.order {
		c := l.curves[i]
		s := styleOf(c.style)
		if len(c.points) > 1 {
			p.line(s.colour, 1.6, s.dash, [2]float64{x, y - 4}, [2]float64{x + lineSample, y - 4})
		}
		p.glyph(s, x+lineSample/2, y-4, 4.6)
		p.text(x+lineSample+8, y, lay.labels[i], labelStyle)
		if c.note != "" {
			y += noteLine
			p.text(x+lineSample+8, y, noteStyle.fit(c.note, curveWidth), noteStyle)
		}
		y += legendLine
	}
	for _, e := range l.extras() {
		p.line(refLine, e.width, e.dash, [2]float64{x, y - 4}, [2]float64{x + lineSample, y - 4})
		p.text(x+lineSample+8, y, e.label, labelStyle)
		y += legendLine
	}
}
