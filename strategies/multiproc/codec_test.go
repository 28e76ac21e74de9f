package multiproc

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type leaf struct {
	A int8
	B float64
	C [3]uint16
	d bool
}

type tree struct {
	Name  string
	Left  *tree
	Kids  []tree
	Index map[string][]int
	Leaf  leaf
	When  time.Time
	Raw   []byte
	Pairs [2]struct{ K, V string }
}

func roundTrip[T any](v T) (T, error) {
	var out T
	c := codecOf[T]()
	b, err := c.append([]byte("prefix"), &v)
	if err != nil {
		return out, err
	}
	rest, err := c.decode(append(b[6:], "rest"...), &out)
	if err == nil && string(rest) != "rest" {
		err = errors.New("wrong rest")
	}
	return out, err
}

func checkTrip[T any](t *testing.T, v T) {
	t.Helper()
	got, err := roundTrip(v)
	if diff := cmp.Diff(v, got, cmp.AllowUnexported(leaf{})); diff != "" || err != nil {
		t.Errorf("%T: %v\n%s", v, err, diff)
	}
}

func TestCodecValues(t *testing.T) {
	checkTrip(t, 42)
	checkTrip(t, struct{}{})
	checkTrip(t, "héllo")
	checkTrip(t, "")
	checkTrip(t, []byte(nil))
	checkTrip(t, []byte{})
	checkTrip(t, []struct{}{{}, {}})
	checkTrip(t, [0]string{})
	checkTrip(t, []float64{1, math.Inf(-1), math.Copysign(0, -1)})
	checkTrip(t, complex(1, -2))
	checkTrip(t, leaf{1, 2.5, [3]uint16{3, 4, 5}, true})
	checkTrip(t, [][]string{nil, {}, {"a", ""}})
	checkTrip(t, map[string]*int(nil))
	checkTrip(t, map[leaf]string{{A: 1}: "x", {d: true}: "y"})
	checkTrip(t, time.Date(2024, 2, 29, 12, 0, 0, 5, time.UTC))
	n := 7
	p := &n
	checkTrip(t, &p)
	checkTrip(t, tree{Name: "root", Left: &tree{Name: "l"}, Kids: []tree{{}, {Name: "k"}}, Index: map[string][]int{"a": {1}, "b": nil},
		Leaf: leaf{A: -1}, When: time.Unix(1, 2).UTC(), Raw: []byte{0}, Pairs: [2]struct{ K, V string }{{"a", "b"}, {}}})
}

func TestCodecProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := struct {
			S []string
			M map[int16]float64
			B []byte
			P *uint32
			F float64
		}{
			rapid.SliceOf(rapid.String()).Draw(t, "s"), rapid.MapOf(rapid.Int16(), rapid.Float64()).Draw(t, "m"),
			rapid.SliceOf(rapid.Byte()).Draw(t, "b"), rapid.Ptr(rapid.Uint32(), true).Draw(t, "p"), rapid.Float64().Draw(t, "f"),
		}
		got, err := roundTrip(v)
		if diff := cmp.Diff(v, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func refuse[T any](t *testing.T, v T) {
	t.Helper()
	b := []byte("keep")
	var ee *EncodeError
	if got, err := codecOf[T]().append(b, &v); !errors.As(err, &ee) || string(got) != "keep" {
		t.Errorf("%T: %v", v, err)
	}
}

type circle struct{ Next *circle }

func TestCodecRefuses(t *testing.T) {
	refuse(t, make(chan int))
	refuse(t, func() {})
	refuse(t, any(1))
	refuse(t, errOdd)
	refuse(t, uintptr(1))
	refuse[struct{ M *sync.Mutex }](t, struct{ M *sync.Mutex }{})
	refuse[*sync.RWMutex](t, nil)
	refuse[[]atomic.Int64](t, nil)
	refuse[*sync.WaitGroup](t, nil)
	refuse(t, map[string]chan int{})
	refuse(t, struct{ F []func() }{})
	r := &circle{}
	r.Next = r
	refuse(t, r)
	type selfSlice []selfSlice
	s := make(selfSlice, 1)
	s[0] = s
	refuse(t, s)
	type selfMap map[int]selfMap
	m := selfMap{}
	m[0] = m
	refuse(t, m)
	// A long list is not a cycle.
	list := &circle{}
	for range 5000 {
		list = &circle{list}
	}
	checkTrip(t, list)
}

// Damaged bytes are an error: no panic, no allocation out of proportion.
func FuzzDecode(f *testing.F) {
	c := codecOf[tree]()
	b, err := c.append(nil, &tree{Name: "root", Kids: []tree{{Name: "k"}}, Index: map[string][]int{"a": {1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(_ *testing.T, b []byte) {
		var v tree
		_, _ = c.decode(b, &v)
		_, _ = decodeOutcomes(codecOf[string](), "f", 0, b, make([]string, 5))
		_, _ = decodeOutcomes(codecOf[int](), "f", 0, b, make([]int, 5))
	})
}
