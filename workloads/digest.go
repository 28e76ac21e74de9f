package workloads

// golden is 2^64 divided by the golden ratio: the increment of splitmix64.
const golden = 0x9E3779B97F4A7C15

// Mix is the finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA
// 2014; constants of Stafford's variant 13): a bijection of 64-bit values in which every input bit changes about half
// of the output bits.
func Mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// Stream is the splitmix64 generator; its zero value is the stream of seed 0. Not safe for concurrent use.
type Stream uint64

// Next returns the next 64 pseudo-random bits.
func (s *Stream) Next() uint64 {
	*s += golden
	return Mix(uint64(*s))
}

// Float returns the next number in [0, 1): the upper 53 bits of Next, times 2^-53. Exact in any language with IEEE doubles.
func (s *Stream) Float() float64 { return float64(s.Next()>>11) * 0x1p-53 }

// TaskStream returns the stream of random numbers that belongs to task i under seed.
func TaskStream(seed uint64, i int) Stream { return Stream(Key(seed, i)) }

// Key is the number that stands for task i under seed: the state its stream starts from, the value its digest starts
// from, and the whole digest of a task that has no result.
func Key(seed uint64, i int) uint64 { return Mix(seed + golden*uint64(i+1)) }

// Fold takes x into the digest h: one splitmix64 step from the state h ^ x. For either argument fixed it is a bijection
// of the other, so a single wrong value always changes the digest; the order of values matters.
func Fold(h, x uint64) uint64 { return Mix((h ^ x) + golden) }

// Combine adds the digest of task i to the digest of a batch: batch + Mix(Key(0, i) ^ d), all modulo 2^64. Addition
// makes the order of completion irrelevant; the index inside makes a lost, doubled or swapped task show. (One digest of
// each task, Key(0, i), adds nothing; it is never a plausible one such as 0.)
func Combine(batch uint64, i int, d uint64) uint64 { return batch + Mix(Key(0, i)^d) }
