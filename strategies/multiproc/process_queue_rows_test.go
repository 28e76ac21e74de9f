//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// branch is a process that announces itself and then starts two others, one after the other, down to a depth.
type branch struct {
	Seen *Queue[[]int]
	Path []int
}

var branches = RegisterRunner[branch]("test.branch")

// Run implements Runner.
func (b branch) Run(ctx context.Context) error {
	if err := b.Seen.Put(ctx, b.Path); err != nil || len(b.Path) == 2 {
		return err
	}
	for i := range 2 {
		p := branches.New(branch{b.Seen, append(slices.Clone(b.Path), i)})
		if err := p.Start(ctx); err != nil {
			return err
		}
		if exit, err := p.Join(ctx); err != nil || !exit.Success() {
			return errors.Join(errors.New("a child failed"), err)
		}
	}
	return nil
}

// What children of children say arrives in the order in which they ran.
func TestP13_MessagesInOrder(t *testing.T) {
	needProcesses(t)
	q := newQ[[]int](t, 10)
	p := started(t, branches.New(branch{Seen: q}))
	if exit := joined(t, p); !exit.Success() {
		t.Error(exit)
	}
	for _, want := range [][]int{{}, {0}, {0, 0}, {0, 1}, {1}, {1, 0}, {1, 1}} {
		if got, err := q.TryGet(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v instead of %v, %v", got, want, err)
		}
	}
}

// echoer is what CPython's test of subclasses uses: state, a pipe, and a run that answers in upper case until nil comes.
type echoer struct {
	suffix string
	conn   *Conn[*string, *string]
}

var echoers = RegisterRunner[*echoer]("test.echoer")

// Run implements Runner.
func (e *echoer) Run(ctx context.Context) error {
	for {
		s, err := e.conn.Recv(ctx)
		if err != nil {
			return err
		}
		if s == nil {
			return e.conn.Close()
		}
		answer := strings.ToUpper(*s) + e.suffix
		if err := e.conn.Send(ctx, &answer); err != nil {
			return err
		}
	}
}

func TestP20_RunnerWithPipe(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	here, there, err := NewDuplex[*string, *string]()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	p := started(t, echoers.New(&echoer{"!", there}))
	for _, s := range []string{"hello", "world"} {
		if err := here.Send(ctx, &s); err != nil {
			t.Fatal(err)
		}
		if got, err := here.Recv(ctx); err != nil || *got != strings.ToUpper(s)+"!" {
			t.Error(got, err)
		}
	}
	if err := here.Send(ctx, nil); err != nil {
		t.Error(err)
	}
	if exit := joined(t, p); !exit.Success() {
		t.Error(exit)
	}
}
