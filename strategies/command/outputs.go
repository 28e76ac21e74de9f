package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/parbench/parbench/strategies"
)

// outputs remembers what the tasks of a workload wrote to standard output when they first ran, whichever trial of the run
// that was in, so that one that writes something else later can be named. Safe for concurrent use.
type outputs struct {
	file  *os.File // of all trials, each appends to it; nil: what is remembered is this trial's only
	of    string   // the workload with its parameters
	under string   // how this trial runs its tasks

	mu    sync.Mutex
	known map[int]written
	fresh []written // those that the file lacks
	texts int       // bytes of text that are remembered
}

// written is what a task wrote, as a line of JSON between trials.
type written struct {
	Of    string `json:"of"`
	Task  int    `json:"task"`
	Under string `json:"under"`
	Sum   uint64 `json:"sum,string"`
	Size  int64  `json:"size"`
	Text  string `json:"text,omitempty"` // all of it; empty: too long to be remembered
}

// What is remembered is bounded. A task beyond that is still a part of its batch's digest.
const (
	mostTasks = 10_000
	mostTexts = 1 << 20 // bytes
)

// recall reads what earlier trials have remembered. path may be empty.
func recall(path, of, under string) (*outputs, error) {
	o := &outputs{of: of, under: under, known: map[int]written{}}
	if path == "" {
		return o, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("--check-output: %w", err)
	}
	o.file = f
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var w written
		// A line that is none is where a trial was killed as it wrote; what others have written follows.
		if json.Unmarshal(line, &w) == nil && w.Of == of {
			o.known[w.Task] = w
			o.texts += len(w.Text)
		}
		switch {
		case errors.Is(err, io.EOF):
			return o, nil
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("--check-output: %w", err)
		}
	}
}

// check compares what task i wrote with what it wrote first.
func (o *outputs) check(i int, x outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	was, known := o.known[i]
	if known && was.Sum == x.sum && was.Size == x.out.Size() {
		return nil
	}
	now := written{Of: o.of, Task: i, Under: o.under, Sum: x.sum, Size: x.out.Size()}
	if now.Size <= kept {
		now.Text = x.out.String()
	}
	if known {
		return &differs{was, now}
	}
	if len(o.known) >= mostTasks {
		return nil
	}
	if o.texts += len(now.Text); o.texts > mostTexts {
		now.Text = ""
	}
	o.known[i] = now
	o.fresh = append(o.fresh, now)
	return nil
}

// close hands what is new on to the trials that come.
func (o *outputs) close() error {
	if o.file == nil {
		return nil
	}
	var text []byte
	if len(o.fresh) > 0 {
		text = append(text, '\n') // the end of a line that another trial could not finish, if there is one
	}
	for _, w := range o.fresh {
		line, err := json.Marshal(w)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	_, err := o.file.Write(text)
	if cerr := o.file.Close(); err == nil {
		err = cerr
	}
	return err
}

// differs is the error of a task that wrote something else than before.
type differs struct{ was, now written }

// Error says where the two differ.
func (d *differs) Error() string {
	before := "before"
	if d.was.Under != d.now.Under {
		before = "under " + d.was.Under
	}
	return fmt.Sprintf("wrote something else to standard output under %s than %s: %s (--check-output forbids that, --show-output shows what every task writes)",
		d.now.Under, before, d.how())
}

// Unwrap makes it a wrong result, rather than a failure.
func (d *differs) Unwrap() error { return strategies.ErrDiffers }

func (d *differs) how() string {
	if whole := func(w written) bool { return w.Size == 0 || w.Text != "" }; whole(d.was) && whole(d.now) {
		was, now := strings.Split(d.was.Text, "\n"), strings.Split(d.now.Text, "\n")
		for k := range min(len(was), len(now)) {
			if was[k] != now[k] {
				return fmt.Sprintf("line %d is %s and was %s", k+1, excerpt(now[k]), excerpt(was[k]))
			}
		}
	}
	if d.was.Size == d.now.Size {
		return fmt.Sprintf("other bytes, %d of them both times", d.now.Size)
	}
	return fmt.Sprintf("its length in bytes is %d and was %d", d.now.Size, d.was.Size)
}

// excerpt is a line for a message.
func excerpt(line string) string {
	const most = 40
	return strconv.Quote(cutTo(line, most))
}
