package multiproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
)

// FuzzCauses reads causes that no worker of this version has written.
func FuzzCauses(f *testing.F) {
	f.Add(appendCauses(nil, quotaError{"anna", 3}))
	f.Add(appendCauses(nil, fmt.Errorf("x: %w", errors.Join(io.EOF, &fieldError{"f", errMagic}))))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		err := takeCauses(b)
		if err == nil {
			return
		}
		_ = err.Error()
		again := takeCauses(appendCauses(nil, err))
		if again == nil {
			t.Errorf("%v does not cross again", err)
		}
	})
}

func TestCausesOfUnknownErrors(t *testing.T) {
	for _, err := range []error{nil, errOther, fmt.Errorf("a: %w", errOther)} {
		if b := appendCauses(nil, err); len(b) != 0 {
			t.Errorf("%v: %q", err, b)
		}
	}
	b := appendCauses(nil, fmt.Errorf("a: %w", errors.Join(context.Canceled, errMagic)))
	if err := takeCauses(b); !errors.Is(err, context.Canceled) || !errors.Is(err, errMagic) || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	// What this side does not know is left out.
	if err := takeCauses(appendString(appendString(b, "nobody"), "x")); !errors.Is(err, errMagic) {
		t.Errorf("%v", err)
	}
}
