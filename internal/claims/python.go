package claims

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
	"github.com/parbench/parbench/strategies/python"
)

// boot runs the probe program; its arguments are the directory that the program is in, and the claim.
const boot = "import sys; sys.path.insert(0, sys.argv[1]); from parbench_claims.main import main; main()"

// Bounds on what a probe may say, and on the time it has to leave after it has answered.
const (
	maxAnswer = 4 << 20
	maxOutput = 4 << 10
	exitGrace = 5 * time.Second
)

// interpreter is a Python under which the claims are observed. Not safe for concurrent use.
type interpreter struct {
	in    python.Interpreter
	label string
	files *files
	seen  *answer // the first one
}

func (p *interpreter) name() string { return p.label }

func (p *interpreter) subject() claim.Subject {
	return claim.Subject{Label: p.label, About: describe(p.in, p.seen)}
}

// answer is what the probe program writes, in one line.
type answer struct {
	Observed     json.RawMessage `json:"observed"`
	Inapplicable string          `json:"inapplicable"`
	Unavailable  string          `json:"unavailable"`
	Failed       string          `json:"failed"`
	GIL          bool            `json:"gil"`
	StartMethod  string          `json:"start_method"`
}

// look runs one probe.
func (p *interpreter) look(ctx context.Context, id string) (json.RawMessage, error) {
	out, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the probe: %w", err)
	}
	said := readOutput(out)
	child, err := spawn.Start(spawn.Command{
		Path: p.in.Path, Args: []string{p.in.Path, "-I", "-S", "-W", "ignore", "-c", boot, p.files.dir, id},
		Env: environment(p.files.temp), Stdout: w, Stderr: w, NewGroup: true, Protocol: true,
		NoDeathSignal: true, // the program watches its lifeline, and takes its whole group with it
	})
	w.Close()
	if err != nil {
		said.close()
		if errors.Is(err, spawn.ErrUnavailable) {
			return nil, unavailable{err.Error()}
		}
		return nil, fmt.Errorf("the probe cannot be started: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = child.Kill() })
	line, readErr := bufio.NewReader(io.LimitReader(child.Out, maxAnswer)).ReadBytes('\n')
	state := leave(ctx, child)
	stop()
	child.Out.Close()
	said.close()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return p.read(line, readErr, state, said.last())
}

// leave lets a probe that has answered end by itself, kills what is left of its group and reaps it.
func leave(ctx context.Context, child *spawn.Child) spawn.State {
	grace, cancel := context.WithTimeout(ctx, exitGrace)
	defer cancel()
	_, _ = child.Wait(grace)
	_ = child.Kill()
	child.In.Close()
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelEnd()
	state, _ := child.Wait(end)
	_ = child.Reap(end)
	return state
}

// read makes an observation or an error of what a probe wrote and how it ended.
func (p *interpreter) read(line []byte, err error, state spawn.State, last string) (json.RawMessage, error) {
	because := ""
	if last != "" {
		because = "; its last words: " + last
	}
	var a answer
	switch {
	case err != nil && len(line) == 0:
		return nil, fmt.Errorf("the probe ended with %v before it had answered%s", state, because)
	case err != nil || json.Unmarshal(line, &a) != nil:
		return nil, fmt.Errorf("the probe did not answer as it should (%.80q)%s", bytes.TrimSpace(line), because)
	case a.Inapplicable != "":
		return nil, inapplicable{a.Inapplicable}
	case a.Unavailable != "":
		return nil, unavailable{"this interpreter cannot show it: " + a.Unavailable}
	case a.Failed != "":
		return nil, fmt.Errorf("the probe failed: %s", a.Failed)
	case len(a.Observed) == 0:
		return nil, errors.New("the probe answered that it had observed nothing")
	}
	if p.seen == nil {
		p.seen = &a
	}
	return a.Observed, nil
}

// output keeps the end of what a probe wrote to standard output and error.
type output struct {
	f    *os.File
	done chan struct{}
	mu   sync.Mutex
	kept []byte
}

func readOutput(f *os.File) *output {
	o := &output{f: f, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		_, _ = io.Copy(o, f) // until everybody has closed it, or close does
	}()
	return o
}

// Write implements io.Writer for io.Copy.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, b[max(0, len(b)-maxOutput):]...)
	o.kept = o.kept[max(0, len(o.kept)-maxOutput):]
	return len(b), nil
}

// close ends the reading. What left the process group may hold the other end open: nobody waits for that.
func (o *output) close() {
	select {
	case <-o.done:
	case <-time.After(100 * time.Millisecond):
	}
	o.f.Close()
	<-o.done
}

// last is the last line.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := strings.TrimSpace(string(o.kept))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
