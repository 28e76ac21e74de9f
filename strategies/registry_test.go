package strategies_test

import (
	"errors"
	"testing"

	"github.com/parbench/parbench/strategies"
)

// renamed is a strategy under another name.
type renamed struct {
	strategies.Strategy
	name string
}

func (r renamed) Info() strategies.Info {
	i := r.Strategy.Info()
	i.Name = r.name
	return i
}

func TestAddToTheBuiltInStrategies(t *testing.T) {
	r := strategies.Builtin()
	n := len(r.All())
	r.Add(renamed{strategies.Pool{}, "mine"})
	if s, err := r.Lookup("mine"); err != nil || s.Info().Name != "mine" || len(r.All()) != n+1 {
		t.Errorf("after Add: %v, %d strategies", err, len(r.All()))
	}
	if _, err := strategies.Builtin().Lookup("mine"); !errors.Is(err, strategies.ErrUnknown) {
		t.Error("another registry has it too")
	}
	defer func() {
		if recover() == nil {
			t.Error("a name that is taken was added")
		}
	}()
	r.Add(strategies.Pool{})
}
