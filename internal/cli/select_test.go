package cli

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/parbench/parbench/internal/harness"
)

func TestHostileTextIsEscaped(t *testing.T) {
	var out, errs bytes.Buffer
	code := Main([]string{"run", "-w", "pri\x1b[31mmes\n::error::x"}, nil, &out, &errs)
	if code != exitUsage || strings.ContainsRune(errs.String(), 0x1b) || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("status %d, stderr %q", code, errs.String())
	}
}

func TestParseSelections(t *testing.T) {
	all := []string{"a", "b", "c"}
	for _, c := range []struct {
		in   []string
		want []harness.Selection
		bad  string
	}{
		{[]string{"a,b"}, []harness.Selection{{Name: "a"}, {Name: "b"}}, ""},
		{[]string{"all", "a"}, []harness.Selection{{Name: "a"}, {Name: "b"}, {Name: "c"}}, ""},
		{[]string{"a", "a:x=1,y=2"}, []harness.Selection{{Name: "a"}, {Name: "a", Params: map[string]string{"x": "1", "y": "2"}}}, ""},
		{[]string{"a,,b"}, nil, "an empty name"},
		{[]string{"a,b:x=1"}, nil, "takes its own"},
		{[]string{"a:x"}, nil, "not name=value"},
		{[]string{"a:x=1,x=2"}, nil, "given twice"},
	} {
		got, err := parseSelections("workload", c.in, all)
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%q: %v, want %q", c.in, err, c.bad)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
	}
}

func TestScanValues(t *testing.T) {
	for in, want := range map[string]string{
		"1..5+2": "1 3 5", "1..8*2": "1 2 4 8", "3..3+1": "3", "9223372036854775800..9223372036854775807+5": "9223372036854775800 9223372036854775805",
	} {
		got, err := scanValues("x", in)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1", "1..2", "1..2+0", "0..8*2", "1..8*1", "2..1+1", "a..b+c"} {
		if got, err := scanValues("x", in); err == nil {
			t.Errorf("%q gave %v", in, got)
		}
	}
}

func TestParseCores(t *testing.T) {
	for in, want := range map[string][]int{"1": {1}, "2,1,2": {1, 2}, "1-3": {1, 2, 3}, "all": {1, 2, 3, 4}, "max": {4}, "1,max": {1, 4}} {
		got, err := parseCores([]string{in}, 4)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "3-2", "x", "1,", "99999"} {
		if got, err := parseCores([]string{in}, 4); err == nil {
			t.Errorf("%q gave %v", in, got)
		}
	}
}
