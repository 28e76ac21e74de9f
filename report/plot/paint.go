package plot

import (
	"image/color"
	"math"
	"strings"
	"sync"
	"unicode"

	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
)

// fonts holds the bundled Liberation faces. It is filled on first use: parsing them at import would be paid by every
// command of the program, and by every trial.
var fonts = sync.OnceValue(func() *font.Cache { return font.NewCache(liberation.Collection()) })

// face returns the bundled sans-serif face, size in pixels at 1×.
func face(size float64, bold bool) font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return fonts().Lookup(f, vg.Length(size))
}

type alignment uint8

const (
	left alignment = iota
	centre
	right
)

// textStyle is the look of a label. The zero value of colour is not usable.
type textStyle struct {
	size   float64
	bold   bool
	colour color.NRGBA
	align  alignment
}

var (
	titleStyle  = textStyle{size: 16, bold: true, colour: ink}
	subStyle    = textStyle{size: 12, colour: soft}
	labelStyle  = textStyle{size: 12, colour: ink}
	tickStyle   = textStyle{size: 11.5, colour: ink, align: centre}
	headStyle   = textStyle{size: 12, bold: true, colour: ink}
	noteStyle   = textStyle{size: 11, bold: true, colour: bad}
	footerStyle = textStyle{size: 11, colour: soft}
)

func (s textStyle) aligned(a alignment) textStyle { s.align = a; return s }

// width returns the width of a label in pixels at 1×.
func (s textStyle) width(text string) float64 {
	f := face(s.size, s.bold)
	return f.Width(text).Points()
}

// fit shortens a label in its middle until it is at most max pixels wide.
func (s textStyle) fit(text string, max float64) string {
	if s.width(text) <= max {
		return text
	}
	r := []rune(text)
	for n := len(r) - 1; n > 0; n-- {
		if t := middle(r, n); s.width(t) <= max {
			return t
		}
	}
	return "…"
}

// maxRunes is the longest label that is shown whole.
const maxRunes = 48

// elide makes untrusted text fit to be drawn and shortens what is absurdly long.
func elide(text string) string {
	return middle([]rune(clean(text)), maxRunes)
}

// middle returns at most n runes of r, an ellipsis for what it leaves out of the middle.
func middle(r []rune, n int) string {
	if len(r) <= n {
		return string(r)
	}
	head := n / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// clean reduces text to one line that both back ends draw alike: runs of white space become one blank; control and
// formatting characters, stacking marks and whatever the bundled font has no glyph for become question marks. Escaping
// is the back end's.
func clean(text string) string {
	f := face(12, false)
	var buf sfnt.Buffer
	var b strings.Builder
	for _, word := range strings.Fields(text) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		for _, r := range word {
			if r != unicode.ReplacementChar && unicode.IsGraphic(r) && !unicode.Is(unicode.M, r) {
				if g, err := f.Face.GlyphIndex(&buf, r); err == nil && g != 0 {
					b.WriteRune(r)
					continue
				}
			}
			b.WriteByte('?')
		}
	}
	return b.String()
}

// box is the room something takes, y downwards.
type box struct{ x0, y0, x1, y1 float64 }

func (a box) overlaps(b box) bool { return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1 }

// label is a piece of text where it was drawn.
type label struct {
	text string
	box
}

// painter draws on a canvas in pixels at 1×, y downwards from the top. It keeps the labels it drew, for the layout's
// invariants. Not safe for concurrent use.
type painter struct {
	c      vg.Canvas
	w, h   float64
	labels []label
}

func (p *painter) pt(x, y float64) vg.Point { return vg.Point{X: vg.Length(x), Y: vg.Length(p.h - y)} }

// text draws a label; y is its baseline.
func (p *painter) text(x, y float64, text string, s textStyle) {
	if text == "" {
		return
	}
	w := s.width(text)
	switch s.align {
	case centre:
		x -= w / 2
	case right:
		x -= w
	}
	p.put(p.pt(x, y), text, s)
	p.labels = append(p.labels, label{text, box{x, y - 0.74*s.size, x + w, y + 0.22*s.size}})
}

// anchorer is a canvas that wants to know which part of a text has to stay in place where its width differs from the
// measured one.
type anchorer interface{ anchor(alignment) }

// put draws text from its left end on. The canvas learns how it was aligned, if it cares.
func (p *painter) put(at vg.Point, text string, s textStyle) {
	if a, ok := p.c.(anchorer); ok {
		a.anchor(s.align)
	}
	p.c.SetColor(s.colour)
	p.c.FillString(face(s.size, s.bold), at, text)
}

// upText draws a label that reads upwards, centred on (x, y).
func (p *painter) upText(x, y float64, text string, s textStyle) {
	w := s.width(text)
	p.c.Push()
	p.c.Translate(p.pt(x+0.36*s.size, y))
	p.c.Rotate(math.Pi / 2)
	p.put(vg.Point{X: vg.Length(-w / 2)}, text, s.aligned(centre))
	p.c.Pop()
	p.labels = append(p.labels, label{text, box{x - 0.5*s.size, y - w/2, x + 0.5*s.size, y + w/2}})
}

// line strokes a polyline.
func (p *painter) line(c color.NRGBA, width float64, dash []float64, pts ...[2]float64) {
	if len(pts) < 2 {
		return
	}
	var path vg.Path
	path.Move(p.pt(pts[0][0], pts[0][1]))
	for _, q := range pts[1:] {
		path.Line(p.pt(q[0], q[1]))
	}
	p.stroke(c, width, dash, path)
}

func (p *painter) stroke(c color.NRGBA, width float64, dash []float64, path vg.Path) {
	p.c.SetColor(c)
	p.c.SetLineWidth(vg.Length(width))
	p.c.SetLineDash(lengths(dash), 0)
	p.c.Stroke(path)
}

// polygon returns the closed path of a polygon.
func (p *painter) polygon(pts ...[2]float64) vg.Path {
	var path vg.Path
	for i, q := range pts {
		if i == 0 {
			path.Move(p.pt(q[0], q[1]))
		} else {
			path.Line(p.pt(q[0], q[1]))
		}
	}
	path.Close()
	return path
}

func (p *painter) fill(c color.NRGBA, path vg.Path) {
	p.c.SetColor(c)
	p.c.Fill(path)
}

func (p *painter) rect(c color.NRGBA, b box) {
	p.fill(c, p.polygon([2]float64{b.x0, b.y0}, [2]float64{b.x1, b.y0}, [2]float64{b.x1, b.y1}, [2]float64{b.x0, b.y1}))
}

// shape returns the path of a glyph around (x, y).
func (p *painter) shape(shape int, x, y, r float64) vg.Path {
	pts := outline(shape, r)
	if pts == nil {
		var path vg.Path
		path.Move(p.pt(x+r, y))
		path.Arc(p.pt(x, y), vg.Length(r), 0, 2*math.Pi)
		path.Close()
		return path
	}
	for i := range pts {
		pts[i] = [2]float64{x + pts[i][0], y - pts[i][1]}
	}
	return p.polygon(pts...)
}

// glyph draws a filled glyph with a thin white rim, which keeps glyphs apart that lie on each other.
func (p *painter) glyph(s seriesStyle, x, y, r float64) {
	path := p.shape(s.shape, x, y, r)
	p.stroke(white, 1.6, nil, path)
	p.fill(s.colour, path)
}
