package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parbench/parbench/report"
)

// Exit codes. The help says that CI must use the built binary, because "go run" turns every code but 0 into 1.
const (
	exitOK           = 0
	exitRegressed    = 1 // by a verdict of a gate, and by nothing else
	exitUsage        = 2 // usage, configuration, unreadable input or unwritable output, found before measuring
	exitInconclusive = 3 // a gate that was told to fail then
	exitFailed       = 4 // a workload failed, timed out or disagreed
	exitInternal     = 5 // an internal or output error during a run; the file is still resumable
	exitInterrupted  = 130
	exitTerminated   = 143
)

// exitError carries an exit code. An empty message prints nothing: what there was to say has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// codeOf returns the exit code that an error of a command stands for. What has no code of its own came from the flag
// parser or from reading input, before anything was measured.
func codeOf(err error) int {
	var ee *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &ee):
		return ee.code
	}
	return exitUsage
}

// complain prints an error as one line, whatever it contains.
func complain(w io.Writer, err error) {
	if msg := strings.TrimSpace(err.Error()); msg != "" {
		fmt.Fprintln(w, "parbench: "+report.EscapeTerminal(msg))
	}
}
