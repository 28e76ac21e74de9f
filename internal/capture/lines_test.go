package capture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// However a text is cut into writes, its lines come out.
func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.StringMatching(`[^\n]{0,9}`)).Draw(t, "lines")
		text := strings.Join(want, "\n")
		if n := len(want); n > 0 && want[n-1] == "" {
			want = want[:n-1] // nothing after the last line's end
		}
		var got []string
		l := NewLines(func(line []byte) { got = append(got, string(line)) })
		for text != "" {
			n := rapid.IntRange(1, len(text)).Draw(t, "written")
			if k, err := l.Write([]byte(text[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			text = text[n:]
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if len(got)+len(want) > 0 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// A line without end is passed on in pieces, and nothing of it is lost.
func TestLongLines(t *testing.T) {
	var got strings.Builder
	most := 0
	l := NewLines(func(line []byte) { got.Write(line); most = max(most, len(line)) })
	chunk := strings.Repeat("x", 1000)
	for range 100 {
		_, _ = l.Write([]byte(chunk))
	}
	l.Close()
	if got.Len() != 100_000 || most > longest+len(chunk) {
		t.Errorf("%d bytes, up to %d at once", got.Len(), most)
	}
}
