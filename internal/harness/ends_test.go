package harness

import (
	"strings"
	"testing"
)

// Of a long stack both ends stay, in whole lines: one of them is where it failed.
func TestEnds(t *testing.T) {
	for text, want := range map[string]string{
		"short\n": "short\n",
		"first\n" + strings.Repeat("x\n", 20) + "last": "first\nx\n…\nx\nlast",
		strings.Repeat("é", 40):                        strings.Repeat("é", 5) + "\n…\n" + strings.Repeat("é", 5),
	} {
		if got := ends(text, 20); !strings.HasPrefix(got, want[:3]) || !strings.HasSuffix(got, want[len(want)-4:]) || len(got) > 26 || strings.ContainsRune(got, '�') {
			t.Errorf("%q: %q, want about %q", text, got, want)
		}
	}
}
