package quantity

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecimals(t *testing.T) {
	tests := []struct {
		v, half float64
		want    string
	}{
		{1.9341, 0.031, "1.934"}, {1.9341, 0.04, "1.93"}, {1.9341, 0.4, "1.9"}, {1.9341, 3, "1.9"}, {1.9341, 0, "1.93"},
		{0.98765, 0.02, "0.988"}, {123.456, 0.01, "123.5"}, {123456, 3, "123456"}, {0.0123, 0.001, "0.0123"}, {15.304, 0.12, "15.30"},
		{99.99, 2, "100.0"}, {5310.2, 83, "5310"},
	}
	for _, tt := range tests {
		if got := Fixed(tt.v, Decimals(tt.v, tt.half)); got != tt.want {
			t.Errorf("%v ± %v is written %s, want %s", tt.v, tt.half, got, tt.want)
		}
	}
}

func TestWords(t *testing.T) {
	tests := []struct{ got, want string }{
		{Duration(0), "0 s"}, {Duration(1.2345e-3), "1.23 ms"}, {Duration(999.6e-6), "1.00 ms"}, {Duration(3.1e-9), "3.10 ns"}, {Duration(75.4), "75.4 s"}, {Duration(2e-12), "0.00200 ns"},
		{Size(12.34 * (1 << 20)), "12.3 MiB"}, {Size(0), "0 B"}, {Size(8 << 30), "8.00 GiB"},
		{Percent(.031), "3.1 %"}, {Percent(.02), "2 %"}, {Percent(.123), "12 %"}, {Percent(0), "0 %"}, {Percent(.0004), "0.04 %"}, {Percent(-.05), "-5 %"},
		{Level(.9785), "98 %"}, {Level(.95), "95 %"}, {Level(.9512), "95 %"}, {Level(.99), "99 %"}, {Level(.998), "99.8 %"}, {Level(.99999), "99.9 %"},
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(1234567), "1,234,567"}, {Count(-1234), "-1,234"},
		{Fixed(-0.001, 1), "0.0"}, {Fixed(math.NaN(), 1), "?"}, {Fixed(math.Inf(1), 1), "?"},
		{Digits(0, 3), "0"}, {Digits(0.0012345, 2), "0.0012"}, {Digits(98765, 3), "98765"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestUnits(t *testing.T) {
	if u := Time(1e-3, 1.1e-3, 4); u.Symbol != "ms" {
		t.Errorf("a column with median 1.1 ms is in %s", u.Symbol)
	}
	if u := Time(); u.Symbol != "s" {
		t.Errorf("a column of nothing is in %s", u.Symbol)
	}
	for _, name := range []string{"ns", "us", "µs", "ms", "s"} {
		if _, err := ParseTime(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := ParseTime("h"); err == nil || !strings.Contains(err.Error(), "ns, us, ms or s") {
		t.Errorf("error %v does not list what would be right", err)
	}
}

func TestAnyNumberIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, half := rapid.Float64().Draw(t, "v"), rapid.Float64().Draw(t, "half")
		if d := Decimals(v, half); d < 0 || d > maxDecimals {
			t.Fatalf("%d decimals", d)
		}
		for _, s := range []string{Duration(v), Size(v), Percent(v), Fixed(v, Decimals(v, half)), Digits(v, 3)} {
			if s == "" || strings.ContainsAny(s, "NI") && !strings.Contains(s, "iB") {
				t.Fatalf("%v is written %q", v, s)
			}
		}
		if u := Time(v, half); u.Scale <= 0 {
			t.Fatalf("unit %+v", u)
		}
	})
}
