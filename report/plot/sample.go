package plot

import (
	"math"
	"slices"
)

// summary is what a box shows of a sample. Quartiles are by linear interpolation (Hyndman and Fan's type 7); whiskers
// reach the outermost observations inside Tukey's inner fences.
type summary struct {
	q1, median, q3 float64
	whisk0, whisk1 float64
	fence0, fence1 float64
}

func summarise(obs []float64) summary {
	s := slices.Clone(obs)
	slices.Sort(s)
	q := func(p float64) float64 {
		at := p * float64(len(s)-1)
		i := int(at)
		if i+1 >= len(s) {
			return s[len(s)-1]
		}
		return s[i] + (at-float64(i))*(s[i+1]-s[i])
	}
	out := summary{q1: q(0.25), median: q(0.5), q3: q(0.75)}
	iqr := out.q3 - out.q1
	out.fence0, out.fence1 = out.q1-1.5*iqr, out.q3+1.5*iqr
	out.whisk0, out.whisk1 = out.q1, out.q3
	for _, v := range s {
		if v >= out.fence0 {
			out.whisk0 = math.Min(out.whisk0, v)
			break
		}
	}
	for _, v := range slices.Backward(s) {
		if v <= out.fence1 {
			out.whisk1 = math.Max(out.whisk1, v)
			break
		}
	}
	return out
}

func (s summary) outlier(v float64) bool { return v < s.fence0 || v > s.fence1 }

// maxPoints bounds the points that one lane draws. Outliers come first; the rest is thinned evenly.
const maxPoints = 160

// jitter spreads the i-th observation across its lane, in -0.5 … 0.5: the golden ratio's sequence, which never puts
// neighbours on each other and is the same every time.
func jitter(i int) float64 {
	const phi = 0.6180339887498949
	_, f := math.Modf(float64(i+1) * phi)
	return f - 0.5
}

// drawSample draws a lane's observations over a box of their quartiles, outliers ringed.
func drawSample(p *painter, a *axis, y, lane float64, m mark, st seriesStyle) {
	if len(m.obs) == 0 {
		return
	}
	s := summarise(m.obs)
	half := math.Max(1.2, lane*0.33)
	x := func(v float64) float64 { px, _ := a.clamp(v); return px }
	if len(m.obs) > 1 {
		dark := tint(st.colour, 0.75)
		p.line(dark, 1.2, nil, [2]float64{x(s.whisk0), y}, [2]float64{x(s.q1), y})
		p.line(dark, 1.2, nil, [2]float64{x(s.q3), y}, [2]float64{x(s.whisk1), y})
		for _, w := range []float64{s.whisk0, s.whisk1} {
			p.line(dark, 1.2, nil, [2]float64{x(w), y - half*0.5}, [2]float64{x(w), y + half*0.5})
		}
		b := p.polygon([2]float64{x(s.q1), y - half}, [2]float64{x(s.q3), y - half}, [2]float64{x(s.q3), y + half}, [2]float64{x(s.q1), y + half})
		p.fill(tint(st.colour, 0.22), b)
		p.stroke(dark, 1.2, nil, b)
	}
	r := math.Min(2.5, math.Max(1.2, lane*0.16))
	skip := max(1, (len(m.obs)+maxPoints-1)/maxPoints)
	rings := 0
	for i, v := range m.obs {
		at := y + jitter(i)*2*(half-r*0.6)
		if s.outlier(v) && rings < maxPoints {
			rings++
			p.stroke(ink, 1.2, nil, p.shape(st.shape, x(v), at, r+1.2))
			continue
		}
		if i%skip == 0 {
			path := p.shape(st.shape, x(v), at, r)
			c := st.colour
			c.A = 0xD0
			p.fill(c, path)
		}
	}
	if len(m.obs) == 1 {
		return
	}
	p.line(ink, 2, nil, [2]float64{x(s.median), y - half}, [2]float64{x(s.median), y + half})
}

// drawTrials draws a lane's observations, pale, on a strip of their own.
func drawTrials(p *painter, a *axis, y float64, obs []float64, st seriesStyle) {
	skip := max(1, (len(obs)+maxPoints-1)/maxPoints)
	pale := tint(st.colour, 0.55)
	pale.A = 0xD0
	for i, v := range obs {
		if i%skip == 0 {
			x, _ := a.clamp(v)
			p.fill(pale, p.shape(0, x, y+jitter(i)*trialsHeight, 2))
		}
	}
}

const (
	// trialsBelow is how far a lane's observations are drawn below its middle, and its estimate above it, in pixels.
	trialsBelow = 6.5
	// trialsHeight is over how many pixels drawTrials spreads them.
	trialsHeight = 7
)
