package trial

import (
	"testing"
	"time"

	"github.com/parbench/parbench/strategies"
)

// The messages that were timed stand for all of them, less what looking at the clock made of them; what is known is not 0.
func TestTransfer(t *testing.T) {
	for _, c := range []struct {
		in          strategies.Transfers
		clock, want int64
	}{
		{strategies.Transfers{}, 40, 0},
		{strategies.Transfers{Messages: 10}, 40, 0},
		{strategies.Transfers{Messages: 10, Timed: 10, Time: 5 * time.Microsecond}, 40, 4200},
		{strategies.Transfers{Messages: 30, Timed: 10, Time: 5 * time.Microsecond}, 40, 12_600},
		{strategies.Transfers{Messages: 10, Timed: 10, Time: 500}, 40, 1},
	} {
		if got := transfer(c.in, c.clock); got != c.want {
			t.Errorf("transfer(%+v, %d) = %d, want %d", c.in, c.clock, got, c.want)
		}
	}
}
