//go:build regexp

package main

import (
	"errors"
	"regexp"
	"strconv"
)

var format = regexp.MustCompile(`^\S+ \S+ \S+ \[[^]]*\] "[^"]*" ([1-5]\d\d) (\d+)\n$`)

// fields does the same with a regular expression: easier to read, and how much slower the gate tells.
func fields(line string) (status int, size uint64, err error) {
	m := format.FindStringSubmatch(line)
	if m == nil {
		return 0, 0, errors.New("not in the common log format")
	}
	status, _ = strconv.Atoi(m[1]) // three digits
	size, err = strconv.ParseUint(m[2], 10, 64)
	return status, size, err
}
