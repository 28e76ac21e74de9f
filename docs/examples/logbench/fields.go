//go:build !regexp

package main

import (
	"errors"
	"strconv"
	"strings"
)

// fields finds status and size in a line of the common log format. Built with -tags regexp, another one does.
func fields(line string) (status int, size uint64, err error) {
	_, rest, _ := strings.Cut(line, `" `)
	first, last, _ := strings.Cut(strings.TrimSuffix(rest, "\n"), " ")
	status, err = strconv.Atoi(first)
	if err != nil || status < 100 || status > 599 {
		return 0, 0, errors.New("no status")
	}
	size, err = strconv.ParseUint(last, 10, 64)
	return status, size, err
}
