package workloads

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// sum is the batch digest of the tasks in the given order.
func sum(digests []uint64, order []int) (batch uint64) {
	for _, i := range order {
		batch = Combine(batch, i, digests[i])
	}
	return batch
}

func drawDigests(t *rapid.T, atLeast int) []uint64 {
	return rapid.SliceOfN(rapid.Uint64(), atLeast, 40).Draw(t, "digests")
}

func identity(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

func TestCombineIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDigests(t, 0)
		order := rapid.Permutation(identity(len(d))).Draw(t, "order")
		if got, want := sum(d, order), sum(d, identity(len(d))); got != want {
			t.Fatalf("digest is %x, in order it is %x", got, want)
		}
	})
}

func TestCombineShowsMistakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDigests(t, 1)
		i := rapid.IntRange(0, len(d)-1).Draw(t, "i")
		right := sum(d, identity(len(d)))

		lost := append(identity(len(d))[:i:i], identity(len(d))[i+1:]...)
		if sum(d, lost) == right {
			t.Error("a lost task does not show")
		}
		if sum(d, append(identity(len(d)), i)) == right {
			t.Error("a doubled task does not show")
		}
		wrong := append([]uint64(nil), d...)
		wrong[i] ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		if sum(wrong, identity(len(d))) == right {
			t.Error("a wrong result does not show")
		}
		j := rapid.IntRange(0, len(d)-1).Draw(t, "j")
		if d[i] == d[j] {
			return
		}
		swapped := append([]uint64(nil), d...)
		swapped[i], swapped[j] = d[j], d[i]
		if sum(swapped, identity(len(d))) == right {
			t.Error("two swapped results do not show")
		}
	})
}

func TestFoldIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, x, y := rapid.Uint64().Draw(t, "h"), rapid.Uint64().Draw(t, "x"), rapid.Uint64().Draw(t, "y")
		if (x == y) != (Fold(h, x) == Fold(h, y)) || (x == y) != (Fold(x, h) == Fold(y, h)) {
			t.Fatal("two arguments share a result")
		}
	})
}

func TestFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := rapid.Uint64().Draw(t, "state")
		s, raw := Stream(state), Stream(state)
		f := s.Float()
		if f < 0 || f >= 1 || f*0x1p53 != float64(raw.Next()>>11) {
			t.Fatalf("%v is not a multiple of 2^-53 in [0, 1), or not that of Next", f)
		}
	})
}

func TestKeysDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(20) {
		for i := range 1000 {
			seen[Key(seed, i)] = true
		}
	}
	if len(seen) != 20*1000 {
		t.Errorf("%d keys are the same", 20*1000-len(seen))
	}
}

func TestFillAndVerify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.Uint64().Draw(t, "key")
		data := make([]byte, rapid.IntRange(0, 100).Draw(t, "size"))
		Fill(data, key)
		longer := make([]byte, len(data)+9)
		Fill(longer, key)
		if !bytes.HasPrefix(longer, data) {
			t.Fatal("the data of a key depend on their length")
		}
		d, err := Verify(data, key)
		if err != nil {
			t.Fatal(err)
		}
		if d != FoldBytes(key, data) {
			t.Fatal("Verify and FoldBytes disagree")
		}
		if len(data) == 0 {
			return
		}
		data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := Verify(data, key); !errors.Is(err, ErrData) {
			t.Fatalf("Verify of data with one wrong bit returns %v", err)
		}
	})
}

func TestFoldBytesSeesTrailingZeros(t *testing.T) {
	seen := map[uint64]int{}
	for n := range 20 {
		d := FoldBytes(1, make([]byte, n))
		if m, ok := seen[d]; ok {
			t.Errorf("%d and %d zeros have the same digest", m, n)
		}
		seen[d] = n
	}
}

// TestTriadBlocksRest checks what keeps triad's stores from staying in a cache: a block of a is written again only when
// all others have been written.
func TestTriadBlocksRest(t *testing.T) {
	tasks, err := Triad().Prepare(t.Context(), Env{Params: Params{"bytes": "2400", "blocks": "5"}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	tr := tasks.(*triadTasks)
	take := func() []float64 {
		a, err := tr.take()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var order []*float64
	for range 10 {
		a := take()
		order = append(order, &a[0])
		tr.put(a)
	}
	distinct := map[*float64]bool{}
	for k, p := range order {
		distinct[p] = true
		if k >= 5 && p != order[k-5] {
			t.Errorf("block %d of the order is not the one that rested longest", k)
		}
	}
	if len(distinct) != 5 {
		t.Errorf("%d blocks in use, want 5", len(distinct))
	}
	var held [][]float64
	for range 8 { // more tasks at once than blocks
		held = append(held, take())
	}
	if got := len(tr.releases); got != 3+3 {
		t.Errorf("%d mappings, want b, c, a and one for each of 3 further tasks", got)
	}
	for _, a := range held {
		if len(a) != tr.length {
			t.Errorf("a block of %d elements, want %d", len(a), tr.length)
		}
		tr.put(a)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

func TestStreamKernel(t *testing.T) {
	const n = 1000
	a, b, c := make([]float64, n), make([]float64, n), make([]float64, n)
	r := rand.New(rand.NewPCG(1, 2))
	for j := range n {
		b[j], c[j] = r.Float64(), r.Float64()
	}
	stream(a, b, c, 1.5)
	for j := range n {
		if want := b[j] + float64(1.5*c[j]); a[j] != want {
			t.Fatalf("a[%d] = %v, want %v: the result was not stored", j, a[j], want)
		}
	}
}

func TestRegistry(t *testing.T) {
	r := NewRegistry(Primes(), Sleep())
	if w, err := r.Lookup("sleep"); err != nil || w.Info().Name != "sleep" {
		t.Errorf("Lookup(sleep) = %v, %v", w, err)
	}
	if _, err := r.Lookup("slep"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Lookup(slep): %v", err)
	}
	if _, ok := r.Fixture("http"); ok {
		t.Error("a fixture that nobody added")
	}
	defer func() {
		if recover() == nil {
			t.Error("a second workload of the same name was taken")
		}
	}()
	r.Add(Primes())
}
