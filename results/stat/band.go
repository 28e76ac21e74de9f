package stat

import (
	"fmt"
	"math"
)

// uncertainty is what the interval of a predicted value needs: the covariance of γ, α and β in units of the residual
// variance, with γ in the unit of the fit, and the half-width of an interval in standard errors times that deviation.
type uncertainty struct {
	covariance [3][3]float64
	reach      float64
	unit       float64 // what one unit of the fit's throughput is in that of X
	known      bool
}

// Band returns the model's throughput at n ≥ 0 with the pointwise t interval of the fitted curve (delta method), in the
// unit of X: where the curve lies, not where the next measurement will. Level is 0 when there are no degrees of freedom.
// It takes parameters at a bound as if they were free there, and cuts at 0. Errors as At.
func (f ScalingFit) Band(n float64) (Interval, error) {
	x, err := f.At(n)
	if err != nil {
		return Interval{}, err
	}
	iv := Interval{Point: x, Lo: x, Hi: x, N: f.DF + f.Model.parameters()}
	u := f.uncertainty
	if !u.known || x == 0 {
		return iv, nil
	}
	d := 1 + f.Alpha.Point*(n-1) + f.Beta.Point*n*(n-1)
	v := x / u.unit
	slope := [3]float64{v / (f.Gamma.Point / u.unit), -v * (n - 1) / d, -v * n * (n - 1) / d}
	variance := 0.0
	for i := range slope {
		for j := range slope {
			variance += slope[i] * u.covariance[i][j] * slope[j]
		}
	}
	half := u.reach * math.Sqrt(max(0, variance)) * u.unit
	if !finite(half) || !finite(x+half) {
		return Interval{}, fmt.Errorf("interval of the throughput at N = %v: %w", n, ErrRange)
	}
	iv.Lo, iv.Hi, iv.Level = max(0, x-half), x+half, f.Gamma.Level
	return iv, nil
}
