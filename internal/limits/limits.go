// Package limits says what to do when a process, its user or the system has no more to give.
//
// It is apart from what looks at the machine so that a user's own program, which is built with package trial, needs no module
// but this one.
package limits

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Explain adds the remedy to an error that Remedy has one for, and leaves every other one as it is, nil too. instead says
// what else helps where the error comes up; it may be empty.
func Explain(err error, instead string) error {
	remedy := Remedy(err)
	switch {
	case remedy == "":
		return err
	case instead != "":
		remedy += ", or " + instead
	}
	return fmt.Errorf("%w; %s", err, remedy)
}

// Remedy is the remedy for an error that says that this process, its user or the system has no more descriptors or
// processes to give, and empty for every other one.
func Remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "raise ulimit -n"
	case errors.Is(err, syscall.ENFILE):
		return "raise the system's limit on open files (on Linux the sysctl fs.file-max)"
	case errors.Is(err, syscall.EAGAIN) && starting(err):
		return "raise ulimit -u, or the container's limit on processes"
	}
	return ""
}

// starting reports whether it was a process that could not be started: elsewhere EAGAIN means other things.
func starting(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) && (pe.Op == "start" || pe.Op == "fork/exec") // of package spawn, and of os
}
