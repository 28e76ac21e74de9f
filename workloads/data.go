package workloads

import (
	"errors"
	"strconv"
)

// Fill sets dst to the data of key: the words of Stream(key), least significant byte first; the last word is cut.
func Fill(dst []byte, key uint64) {
	s := Stream(key)
	for len(dst) >= 8 {
		w := s.Next()
		_ = dst[7]
		for j := range 8 {
			dst[j] = byte(w >> (8 * j))
		}
		dst = dst[8:]
	}
	if len(dst) == 0 {
		return
	}
	w := s.Next()
	for j := range dst {
		dst[j] = byte(w >> (8 * j))
	}
}

// ErrData is wrapped by Verify's error.
var ErrData = errors.New("data are not what was written")

// Verify checks that data is what Fill makes of key and returns FoldBytes(key, data). Its error names the first word
// that differs.
func Verify(data []byte, key uint64) (uint64, error) {
	s, h := Stream(key), key
	for at := 0; at < len(data); at += 8 {
		got, want := word(data[at:]), s.Next()
		if rest := len(data) - at; rest < 8 {
			want &= 1<<(8*rest) - 1
		}
		if got != want {
			return 0, &dataError{at}
		}
		h = Fold(h, got)
	}
	return Fold(h, uint64(len(data))), nil
}

// FoldBytes folds the bytes into h: words of eight bytes, least significant first, the last one padded with zeros, then
// the number of bytes.
func FoldBytes(h uint64, data []byte) uint64 {
	for at := 0; at < len(data); at += 8 {
		h = Fold(h, word(data[at:]))
	}
	return Fold(h, uint64(len(data)))
}

// word reads up to eight bytes, least significant first. (encoding/binary would bring in reflect.)
func word(b []byte) (w uint64) {
	if len(b) >= 8 {
		_ = b[7]
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	}
	for j, x := range b {
		w |= uint64(x) << (8 * j)
	}
	return w
}

type dataError struct{ offset int }

func (e *dataError) Error() string {
	return ErrData.Error() + ": they differ in the word at offset " + strconv.Itoa(e.offset)
}

func (e *dataError) Unwrap() error { return ErrData }

// fixtureError says that the address of a fixture is of no use.
type fixtureError struct {
	workload, fixture string
	err               error
}

func (e *fixtureError) Error() string {
	return e.workload + " needs the fixture " + strconv.Quote(e.fixture) + ": " + e.err.Error()
}

func (e *fixtureError) Unwrap() error { return e.err }
