//go:build race

package testenv

// Race says that the race detector watches: most things take five to ten times as long.
const Race = true
