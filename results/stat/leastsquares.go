package stat

import (
	"math"
)

// solution is a linear least-squares fit.
type solution struct {
	coef []float64
	// inverse is (AᵀA)⁻¹, which times the residual variance is the covariance of coef.
	inverse [][]float64
	rss     float64
}

// leastSquares fits b by the columns of A, through modified Gram–Schmidt with one re-orthogonalisation ("twice is
// enough", Giraud, Langou and Rozložník 2005). ok is false when a column is, to ten digits, a combination of those before
// it, or when there are fewer rows than columns.
func leastSquares(columns [][]float64, b []float64) (s solution, ok bool) {
	p := len(columns)
	if len(b) < p {
		return solution{}, false
	}
	q := make([][]float64, p)
	r := make([][]float64, p) // r[i][j], i ≤ j
	rest := append([]float64(nil), b...)
	y := make([]float64, p)
	for j, column := range columns {
		r[j] = make([]float64, p)
		v := append([]float64(nil), column...)
		size := norm(v)
		if !(size > 0) || math.IsInf(size, 0) {
			return solution{}, false
		}
		for range 2 {
			for i := range j {
				d := dot(q[i], v)
				r[i][j] += d
				add(v, -d, q[i])
			}
		}
		r[j][j] = norm(v)
		if r[j][j] < 1e-10*size {
			return solution{}, false
		}
		for i := range v {
			v[i] /= r[j][j]
		}
		q[j] = v
		y[j] = dot(v, rest)
		add(rest, -y[j], v)
	}
	s.coef = backSubstitute(r, y)
	inv := make([][]float64, p) // columns of R⁻¹
	for j := range inv {
		unit := make([]float64, p)
		unit[j] = 1
		inv[j] = backSubstitute(r, unit)
	}
	s.inverse = make([][]float64, p)
	for i := range s.inverse {
		s.inverse[i] = make([]float64, p)
		for j := range s.inverse[i] {
			for k := range p {
				s.inverse[i][j] += inv[k][i] * inv[k][j]
			}
		}
	}
	s.rss = dot(rest, rest)
	return s, true
}

func backSubstitute(r [][]float64, y []float64) []float64 {
	x := make([]float64, len(y))
	for i := len(y) - 1; i >= 0; i-- {
		x[i] = y[i]
		for j := i + 1; j < len(y); j++ {
			x[i] -= r[i][j] * x[j]
		}
		x[i] /= r[i][i]
	}
	return x
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }

// add adds f·b to a.
func add(a []float64, f float64, b []float64) {
	for i := range a {
		a[i] += f * b[i]
	}
}
