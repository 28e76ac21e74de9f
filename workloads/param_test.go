package workloads

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var specs = []Param{
	{Name: "n", Type: Int, Default: "10", Min: 1, Max: 100},
	{Name: "rate", Type: Float, Default: "0.5"},
	{Name: "wait", Type: Duration, Default: "5ms", Max: float64(time.Minute)},
	{Name: "size", Type: Bytes, Auto: "llc-share", Min: 8, Max: 1 << 40},
	{Name: "mode", Type: Choice, Default: "map", Choices: []string{"map", "apply"}},
}

func TestResolve(t *testing.T) {
	defaults := Params{"n": "10", "rate": "0.5", "wait": "5ms", "mode": "map"}
	with := func(name, value string) Params {
		p := Params{name: value}
		for k, v := range defaults {
			if k != name {
				p[k] = v
			}
		}
		return p
	}
	for _, tc := range []struct {
		name, value string
		want        Params
		wrong       string // part of the error
	}{
		{name: "n", value: "10", want: defaults},
		{name: "n", value: "+7", want: with("n", "7")},
		{name: "n", value: "007", want: with("n", "7")},
		{name: "n", value: "0", wrong: "between 1 and 100"},
		{name: "n", value: "101", wrong: "between 1 and 100"},
		{name: "n", value: "1.5", wrong: "a whole number"},
		{name: "n", value: "", wrong: "a whole number"},
		{name: "n", value: "99999999999999999999", wrong: "a whole number"},
		{name: "rate", value: "2.50", want: with("rate", "2.5")},
		{name: "rate", value: "1e3", want: with("rate", "1000")},
		{name: "rate", value: "-1", want: with("rate", "-1")},
		{name: "rate", value: "NaN", wrong: "a finite number"},
		{name: "rate", value: "inf", wrong: "a finite number"},
		{name: "wait", value: "1500us", want: with("wait", "1.5ms")},
		{name: "wait", value: "0", want: with("wait", "0s")},
		{name: "wait", value: "5", wrong: "a duration such as"},
		{name: "wait", value: "-1ms", wrong: "between 0s and 1m0s"},
		{name: "wait", value: "2m", wrong: "between 0s and 1m0s"},
		{name: "size", value: "64KiB", want: with("size", "65536")},
		{name: "size", value: "1MB", want: with("size", "1000000")},
		{name: "size", value: "2k", want: with("size", "2000")},
		{name: "size", value: "2gib", want: with("size", "2147483648")},
		{name: "size", value: "4096b", want: with("size", "4096")},
		{name: "size", value: "4", wrong: "bytes"},
		{name: "size", value: "64bB", wrong: "a number of bytes"},
		{name: "size", value: "64iB", wrong: "a number of bytes"},
		{name: "size", value: "KiB", wrong: "a number of bytes"},
		{name: "size", value: "-1k", wrong: "a number of bytes"},
		{name: "size", value: "9999999999999GiB", wrong: "a number of bytes"},
		{name: "mode", value: "apply", want: with("mode", "apply")},
		{name: "mode", value: "Map", wrong: "one of map, apply"},
		{name: "modes", value: "map", wrong: `no parameter "modes"; there are n, rate, wait, size, mode`},
	} {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			got, err := Resolve(specs, map[string]string{tc.name: tc.value})
			if tc.wrong != "" {
				if !errors.Is(err, ErrParam) || !strings.Contains(err.Error(), tc.wrong) || !strings.Contains(err.Error(), tc.name) {
					t.Errorf("error is %v; want one that names %s and says %q", err, tc.name, tc.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveOfNothing(t *testing.T) {
	if _, err := Resolve(nil, map[string]string{"x": "1"}); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("error is %v", err)
	}
	if _, err := Resolve(specs[:1], map[string]string{"x": "1"}); err == nil || !strings.Contains(err.Error(), "there is only n") {
		t.Errorf("error is %v", err)
	}
}

func TestCheck(t *testing.T) {
	p, err := Resolve(specs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(specs, p); !errors.Is(err, ErrParam) || !strings.Contains(err.Error(), "size") {
		t.Errorf("without the automatic parameter: %v", err)
	}
	p["size"] = "4096"
	if err := Check(specs, p); err != nil {
		t.Errorf("complete: %v", err)
	}
	p["n"] = "0"
	if err := Check(specs, p); !errors.Is(err, ErrParam) {
		t.Errorf("out of bounds: %v", err)
	}
}

func TestParams(t *testing.T) {
	p := Params{"b": "65536", "a": "-3", "f": "0.25", "d": "1.5ms"}
	if got, want := p.String(), "a=-3,b=65536,d=1.5ms,f=0.25"; got != want {
		t.Errorf("String is %q, want %q", got, want)
	}
	if p.Int("a") != -3 || p.Int("b") != 65536 || p.Float("f") != 0.25 || p.Duration("d") != 1500*time.Microsecond {
		t.Error("an accessor returns another value than the text says")
	}
	if p.Int("x") != 0 || p.Float("x") != 0 || p.Duration("x") != 0 {
		t.Error("an accessor of an absent parameter does not return 0")
	}
}

func FuzzCanonical(f *testing.F) {
	types := []ParamType{Int, Float, Duration, Bytes, Choice, "unknown"}
	for k := range types {
		for _, text := range []string{"", "0", "-1", "1e3", "-0", "0x1p-2", "5ms", "-2562047h47m16.854775808s", "64KiB", "1gb", "map", "1_0"} {
			f.Add(uint8(k), text)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		p := Param{Name: "x", Type: types[int(kind)%len(types)], Choices: []string{"map", "a b"}}
		once, err := p.Canonical(text)
		if err != nil {
			if !errors.Is(err, ErrParam) {
				t.Fatalf("%q: %v does not wrap ErrParam", text, err)
			}
			return
		}
		twice, err := p.Canonical(once)
		if err != nil || twice != once {
			t.Fatalf("%s %q is canonically %q, and that is %q, %v", p.Type, text, once, twice, err)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	for _, text := range []string{"0", "1k", "1KiB", "9223372036854775807", "9007199254740993KiB", "8GiB", "+3MB", "3 MB", "bb"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parseBytes(text)
		if !ok {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d bytes", text, n)
		}
		if again, ok := parseBytes(strconv.FormatInt(n, 10)); !ok || again != n {
			t.Fatalf("%q is %d, and that is %d, %v", text, n, again, ok)
		}
		if n <= math.MaxInt64>>10 {
			if kib, ok := parseBytes(strconv.FormatInt(n, 10) + "KiB"); !ok || kib != n<<10 {
				t.Fatalf("%d KiB is %d, %v", n, kib, ok)
			}
		}
	})
}
