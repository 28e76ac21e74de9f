package command

import (
	"cmp"
	"io"
	"os"
	"strings"

	"github.com/parbench/parbench/internal/capture"
)

// mostPrefix is how many characters of a line stand before what it writes.
const mostPrefix = 30

// onlooker shows what a process writes, if that is asked for: to this process's standard error, from where it goes on to
// the user. Each line goes in one piece and says which command it is of, and which task, so that it can be told who wrote
// what where commands run at the same time.
func (t *tasks) onlooker(l line, number string) io.WriteCloser {
	if !t.all.ShowOutput {
		return nil
	}
	prefix := cutTo(l.text, mostPrefix)
	if number != "" {
		prefix = cutTo(cmp.Or(t.name, l.whole.at(number)), mostPrefix) + " #" + number
	}
	prefix = strings.ReplaceAll(prefix, "\n", " ") + " | "
	return capture.NewLines(func(line []byte) {
		_, _ = os.Stderr.Write(append(append([]byte(prefix), line...), '\n')) // one write: no other comes between
	})
}
