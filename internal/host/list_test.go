package host

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseList(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []int
		bad  bool
	}{
		{in: "", want: nil},
		{in: "\n", want: nil},
		{in: "0", want: []int{0}},
		{in: "0-3,8,10-11\n", want: []int{0, 1, 2, 3, 8, 10, 11}},
		{in: "8,0-1,1", want: []int{0, 1, 8}},
		{in: "0-7:2/4", want: []int{0, 1, 4, 5}},
		{in: "8191", want: []int{8191}},
		{in: "8192", bad: true},
		{in: "0-4294967295", bad: true},
		{in: "3-1", bad: true},
		{in: "-1", bad: true},
		{in: "1-", bad: true},
		{in: "1,,2", bad: true},
		{in: "0-7:0/4", bad: true},
		{in: "0-7:5/4", bad: true},
		{in: "0-7:2", bad: true},
		{in: "3:1/2", bad: true},
		{in: "a", bad: true},
		{in: "+1", bad: true},
		{in: "0x1", bad: true},
		{in: "1 2", bad: true},
	} {
		got, err := ParseList(c.in)
		if (err != nil) != c.bad || !cmp.Equal(got, c.want) {
			t.Errorf("ParseList(%q) = %v, %v; want %v, an error: %v", c.in, got, err, c.want, c.bad)
		}
	}
}

func TestFormatList(t *testing.T) {
	for _, c := range []struct {
		in   []int
		want string
	}{
		{nil, ""},
		{[]int{5}, "5"},
		{[]int{0, 1}, "0-1"},
		{[]int{1, 2, 3, 0}, "1-3,0"},
		{[]int{4, 6, 7, 9}, "4,6-7,9"},
	} {
		if got := FormatList(c.in); got != c.want {
			t.Errorf("FormatList(%v) = %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{"", "0-3,8,10-11", "0-31:2/4", "1-", "99999", "0-8191", ",", "0-1:1/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseList(s)
		if err != nil {
			if l != nil {
				t.Fatalf("ParseList(%q) gives a list beside the error %v", s, err)
			}
			return
		}
		for i, n := range l {
			if n < 0 || n >= maxCPU || i > 0 && n <= l[i-1] {
				t.Fatalf("ParseList(%q) = %v, which does not ascend within bounds", s, l)
			}
		}
		again, err := ParseList(FormatList(l))
		if err != nil || !slices.Equal(again, l) {
			t.Fatalf("ParseList(FormatList(%v)) = %v, %v", l, again, err)
		}
	})
}
