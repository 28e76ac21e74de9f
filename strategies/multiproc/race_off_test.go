//go:build !race

package multiproc

const raceDetector = false
