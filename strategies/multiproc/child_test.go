package multiproc

import (
	"strings"
	"testing"
)

// Of a long text the end is kept, and the first line that names the cause.
func TestTailKeepsCause(t *testing.T) {
	trace := "main.f(0x1)\n\tmain.go:7\n"
	for _, c := range []struct{ name, text, words string }{
		{"none", strings.Repeat(trace, 1000), "main.go:7"},
		{"before the end", "runtime: goroutine stack exceeds\nfatal error: stack overflow\n" + strings.Repeat(trace, 1000), "fatal error: stack overflow"},
		{"in the end", strings.Repeat(trace, 1000) + "panic: late\n" + trace, "panic: late"},
		{"the first one", "panic: first\n" + strings.Repeat(trace, 1000) + "panic: second\n", "panic: first"},
		{"a long one", "fatal error: " + strings.Repeat("x", 1000) + "\n" + strings.Repeat(trace, 1000), "fatal error: x"},
	} {
		for _, step := range []int{1, 7, 4096, 1 << 20} {
			done := make(chan struct{})
			close(done)
			tl := &tail{done: done}
			for rest := c.text; rest != ""; {
				n := min(step, len(rest))
				tl.keep([]byte(rest[:n]))
				rest = rest[n:]
			}
			got := tl.end()
			if words := lastWords(got); !strings.HasPrefix(words, `"`+c.words) {
				t.Errorf("%s, %d bytes at a time: the last words are %s", c.name, step, words)
			}
			if len(got) > tailSize+mostWords+10 || !strings.HasSuffix(string(got), c.text[len(c.text)-100:]) {
				t.Errorf("%s, %d bytes at a time: %d bytes are kept", c.name, step, len(got))
			}
		}
	}
}
