package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
)

// The palette is Okabe and Ito's ("Color Universal Design", 2008) without its yellow, which is too pale on white. Its
// colours differ in lightness as well as in hue, and no series is told from another by colour alone: glyphs and dashes
// go with it.
var palette = []color.NRGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
	{0x22, 0x22, 0x22, 0xFF}, // black
}

// The ink of everything that is not data.
var (
	white    = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
	ink      = color.NRGBA{0x1F, 0x23, 0x28, 0xFF}
	soft     = color.NRGBA{0x59, 0x63, 0x6E, 0xFF}
	gridLine = color.NRGBA{0xDD, 0xE1, 0xE6, 0xFF}
	band     = color.NRGBA{0xF5, 0xF6, 0xF8, 0xFF}
	frame    = color.NRGBA{0x9A, 0xA2, 0xAB, 0xFF}
	refLine  = color.NRGBA{0x6E, 0x77, 0x81, 0xFF}
	bad      = color.NRGBA{0xA8, 0x3F, 0x00, 0xFF} // vermilion, darkened so that text of it reads on white
)

var dashes = [][]float64{nil, {8, 3}, {3, 2.5}, {9, 3, 2, 3}}

// shapes is the number of glyphs. It has no divisor in common with the number of colours, so that colour and glyph
// together repeat only after their product, 56 series.
const shapes = 8

// seriesStyle is how one series looks.
type seriesStyle struct {
	colour color.NRGBA
	shape  int
	dash   []float64
}

// styleOf returns the look of the i-th series. Neighbours differ in colour, glyph and dash; series of one colour differ
// in the other two.
func styleOf(i int) seriesStyle {
	return seriesStyle{colour: palette[i%len(palette)], shape: i % shapes, dash: dashes[i%len(dashes)]}
}

// outline returns the closed polygon of a glyph of about the area of a circle of radius r, around (0, 0), y upwards;
// nil stands for the circle itself.
func outline(shape int, r float64) [][2]float64 {
	regular := func(n int, turn, r float64) [][2]float64 {
		pts := make([][2]float64, n)
		for i := range pts {
			sin, cos := math.Sincos(turn + 2*math.Pi*float64(i)/float64(n))
			pts[i] = [2]float64{r * cos, r * sin}
		}
		return pts
	}
	switch shape % shapes {
	case 1:
		return regular(4, math.Pi/4, 1.25*r) // square
	case 2:
		return regular(3, math.Pi/2, 1.4*r) // triangle
	case 3:
		return regular(4, 0, 1.35*r) // diamond
	case 4:
		return regular(3, -math.Pi/2, 1.4*r) // triangle on its tip
	case 5, 6: // plus, cross
		a, b := 0.45*r, 1.3*r
		pts := [][2]float64{{a, a}, {a, b}, {-a, b}, {-a, a}, {-b, a}, {-b, -a}, {-a, -a}, {-a, -b}, {a, -b}, {a, -a}, {b, -a}, {b, a}}
		if shape%shapes == 6 {
			const c = math.Sqrt2 / 2
			for i, q := range pts {
				pts[i] = [2]float64{c * (q[0] - q[1]), c * (q[0] + q[1])}
			}
		}
		return pts
	case 7: // star
		pts := make([][2]float64, 10)
		for i := range pts {
			sin, cos := math.Sincos(math.Pi/2 + math.Pi*float64(i)/5)
			f := 1.55 * r
			if i%2 == 1 {
				f *= 0.45
			}
			pts[i] = [2]float64{f * cos, f * sin}
		}
		return pts
	}
	return nil
}

// glyphSize is the radius of a glyph in the data.
const glyphSize = 4.0

// shade darkens a colour for lines that lie on glyphs of it.
func shade(c color.NRGBA) color.NRGBA {
	dark := func(v uint8) uint8 { return uint8(float64(v)*0.55 + 0.5) }
	return color.NRGBA{dark(c.R), dark(c.G), dark(c.B), 0xFF}
}

// tint mixes a colour with white; share is what stays of the colour.
func tint(c color.NRGBA, share float64) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8(255 - (255-float64(v))*share + 0.5) }
	return color.NRGBA{mix(c.R), mix(c.G), mix(c.B), 0xFF}
}

// lengths turns pixels into canvas units, which are the same thing here.
func lengths(v []float64) []vg.Length {
	out := make([]vg.Length, len(v))
	for i, x := range v {
		out[i] = vg.Length(x)
	}
	return out
}
