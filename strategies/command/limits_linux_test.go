package command

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/parbench/parbench/results"
)

// A command for which there are no descriptors left is named.
func TestNoDescriptorsLeft(t *testing.T) {
	var k tasks
	var err error
	k.all, k.trial = &results.Commands{}, t.Context()
	if k.command, err = parse("", "true {i}", func(string) (string, bool) { return "", false }); err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 3, Max: before.Max} // new ones have to be smaller
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err = k.Task(t.Context(), 7)
	if back := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); back != nil {
		t.Fatal(back)
	}
	if !errors.Is(err, syscall.EMFILE) || !strings.HasPrefix(err.Error(), `"true 7": `) {
		t.Errorf("%v", err)
	}
}
