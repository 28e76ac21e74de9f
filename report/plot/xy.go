package plot

import (
	"math"
	"slices"
)

// xyPoint is a mark at a place on a continuous axis.
type xyPoint struct {
	x    float64
	mark mark
}

// xyBand is a fitted curve at one place, with its interval where lo < hi.
type xyBand struct{ x, y, lo, hi float64 }

// xyCurve is one series: points that were measured, and a fit through them, drawn dashed beyond the last one.
type xyCurve struct {
	label, note string
	style       int
	points      []xyPoint // by x, ascending
	fit         []xyBand  // by x, ascending
}

// xyMark is a place on the x axis with its interval, drawn as a line and a band over the height of the data.
type xyMark struct {
	x, lo, hi float64 // lo < hi: an interval
	label     string
	style     int
}

// xyPlot draws curves over a continuous axis. It knows curves only.
type xyPlot struct {
	heading
	curves         []xyCurve
	marks          []xyMark
	ideal          [][2]float64 // a reference line; empty: none
	idealAs        string
	ceiling        []xyPoint
	x, y           axis
	xTicks, yTicks func(a *axis, room int) string // give an axis its ticks and return its title
}

type xyLayout struct {
	height         float64
	x0, x1, y0, y1 float64
	legendX        float64
	x, y           axis
	xTitle, yTitle string
	labels         []string
}

// legend lists what the legend shows beside the curves.
func (l *xyPlot) legend() []legendLineOf {
	var out []legendLineOf
	if len(l.ideal) > 0 {
		out = append(out, legendLineOf{l.idealAs, 1.4, []float64{1.5, 3}})
	}
	if len(l.ceiling) > 0 {
		out = append(out, legendLineOf{"this machine's ceiling", 1.8, []float64{10, 4}})
	}
	return out
}

func (l *xyPlot) layout() xyLayout {
	var out xyLayout
	w, h := 0.0, 0.0
	widen := func(text string, s textStyle) { w = math.Max(w, lineSample+8+s.width(text)) }
	for _, c := range l.curves {
		label := labelStyle.fit(elide(c.label), curveWidth)
		out.labels = append(out.labels, label)
		widen(label, labelStyle)
		h += legendLine
		if c.note != "" {
			widen(footerStyle.fit(c.note, curveWidth), footerStyle)
			h += noteLine
		}
	}
	for _, m := range l.marks {
		widen(labelStyle.fit(m.label, curveWidth), labelStyle)
		h += legendLine
	}
	for _, e := range l.legend() {
		widen(e.label, labelStyle)
		h += legendLine
	}
	out.legendX = figureWidth - margin - w
	out.y0 = headHeight + 2
	out.y1 = out.y0 + math.Max(plotHeight, h+14-axisUp)
	out.y = l.y
	out.y.from, out.y.to = out.y1, out.y0
	out.yTitle = l.yTicks(&out.y, int((out.y1-out.y0)/45))
	out.y.thin(func(string) float64 { return tickStyle.size }, 6)
	ticks := 28.0
	for _, t := range out.y.ticks {
		ticks = math.Max(ticks, tickStyle.width(t.label))
	}
	out.x0, out.x1 = margin+yTitleRoom+ticks+9, out.legendX-18
	out.x = l.x
	out.x.from, out.x.to = out.x0, out.x1
	out.xTitle = l.xTicks(&out.x, int((out.x1-out.x0)/60))
	out.x.thin(tickStyle.width, 8)
	out.height = out.y1 + axisUp + footHeight
	return out
}

func (l *xyPlot) draw(p *painter) {
	lay := l.layout()
	x, y := lay.x, lay.y
	l.top(p)
	rungs(p, &y, lay.x0, lay.x1)
	for _, t := range x.ticks {
		if t.label != "" {
			p.line(gridLine, 1, nil, [2]float64{x.at(t.v), lay.y0}, [2]float64{x.at(t.v), lay.y1})
		}
	}
	for _, m := range l.marks {
		l.drawMark(p, &x, lay, m)
	}
	l.drawReference(p, &x, &y)
	for _, c := range l.curves {
		drawFit(p, &x, &y, c)
	}
	for i, c := range l.curves {
		drawPoints(p, &x, &y, c, l.aside(i))
	}
	bottomAxis(p, &x, lay.y1, lay.xTitle)
	leftAxis(p, &y, lay.x0, lay.y0, lay.y1, lay.yTitle)
	l.drawLegend(p, lay)
	l.bottom(p)
}

// drawMark draws a place on the x axis.
func (l *xyPlot) drawMark(p *painter, x *axis, lay xyLayout, m xyMark) {
	c := styleOf(m.style).colour
	if m.lo < m.hi {
		a, _ := x.clamp(m.lo)
		b, _ := x.clamp(m.hi)
		faint := c
		faint.A = 0x22
		p.rect(faint, box{a, lay.y0, math.Max(b, a+1), lay.y1})
	}
	if x.has(m.x) {
		p.line(c, 1.4, []float64{2, 2}, [2]float64{x.at(m.x), lay.y0}, [2]float64{x.at(m.x), lay.y1})
	}
}

// drawReference draws the ideal and the machine's ceiling.
func (l *xyPlot) drawReference(p *painter, x, y *axis) {
	p.line(refLine, 1.4, []float64{1.5, 3}, inside(x, y, l.ideal)...)
	var line, up, down [][2]float64
	for _, q := range l.ceiling {
		px := x.at(q.x)
		mid, _ := y.clamp(q.mark.point)
		hi, _ := y.clamp(q.mark.hi)
		lo, _ := y.clamp(q.mark.lo)
		line, up, down = append(line, [2]float64{px, mid}), append(up, [2]float64{px, hi}), append(down, [2]float64{px, lo})
	}
	if len(line) < 2 {
		return
	}
	slices.Reverse(down)
	c := refLine
	c.A = 0x30
	p.fill(c, p.polygon(append(up, down...)...))
	p.line(refLine, 1.8, []float64{10, 4}, line...)
}

// inside maps the points that lie on both axes to pixels.
func inside(x, y *axis, pts [][2]float64) (out [][2]float64) {
	for _, q := range pts {
		if x.has(q[0]) && y.has(q[1]) {
			out = append(out, [2]float64{x.at(q[0]), y.at(q[1])})
		}
	}
	return out
}

// drawFit draws the fitted curve over its band; dashed beyond the last measured point, where it is a prediction.
func drawFit(p *painter, x, y *axis, c xyCurve) {
	s := styleOf(c.style)
	last := math.Inf(1)
	if n := len(c.points); n > 0 {
		last = c.points[n-1].x
	}
	var up, down, within, beyond [][2]float64
	for _, b := range c.fit {
		if !x.has(b.x) {
			continue
		}
		if b.lo < b.hi {
			hi, _ := y.clamp(b.hi)
			lo, _ := y.clamp(b.lo)
			up, down = append(up, [2]float64{x.at(b.x), hi}), append(down, [2]float64{x.at(b.x), lo})
		}
		if !y.has(b.y) {
			continue
		}
		q := [2]float64{x.at(b.x), y.at(b.y)}
		if b.x <= last*(1+1e-9) {
			within = append(within, q)
		}
		if b.x >= last*(1-1e-9) {
			beyond = append(beyond, q)
		}
	}
	if len(up) > 1 {
		slices.Reverse(down)
		faint := s.colour
		faint.A = 0x26
		p.fill(faint, p.polygon(append(up, down...)...))
	}
	p.line(s.colour, 1.6, nil, within...)
	p.line(s.colour, 1.6, []float64{5, 4}, beyond...)
}

// aside is how many pixels the points of a curve move sideways, so that equal ones do not hide each other.
func (l *xyPlot) aside(i int) float64 {
	n := float64(len(l.curves))
	return (float64(i) - (n-1)/2) * math.Min(6, 24/n)
}

func drawPoints(p *painter, x, y *axis, c xyCurve, aside float64) {
	s := styleOf(c.style)
	for _, q := range c.points {
		if !x.has(q.x) {
			continue
		}
		px := x.at(q.x) + aside
		py, _ := y.clamp(q.mark.point)
		p.glyph(s, px, py, glyphSize)
		if q.mark.bar && !narrow(y, q.mark) {
			upBar(p, y, px, q.mark, shade(s.colour))
		}
	}
}

func (l *xyPlot) drawLegend(p *painter, lay xyLayout) {
	x, y := lay.legendX, lay.y0+10
	for i, c := range l.curves {
		s := styleOf(c.style)
		if len(c.fit) > 1 {
			p.line(s.colour, 1.6, nil, [2]float64{x, y - 4}, [2]float64{x + lineSample, y - 4})
		}
		p.glyph(s, x+lineSample/2, y-4, 4.6)
		p.text(x+lineSample+8, y, lay.labels[i], labelStyle)
		if c.note != "" {
			y += noteLine
			p.text(x+lineSample+8, y, footerStyle.fit(c.note, curveWidth), footerStyle)
		}
		y += legendLine
	}
	for _, m := range l.marks {
		p.line(styleOf(m.style).colour, 1.4, []float64{2, 2}, [2]float64{x, y - 4}, [2]float64{x + lineSample, y - 4})
		p.text(x+lineSample+8, y, labelStyle.fit(m.label, curveWidth), labelStyle)
		y += legendLine
	}
	for _, e := range l.legend() {
		p.line(refLine, e.width, e.dash, [2]float64{x, y - 4}, [2]float64{x + lineSample, y - 4})
		p.text(x+lineSample+8, y, e.label, labelStyle)
		y += legendLine
	}
}
