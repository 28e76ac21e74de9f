//go:build race

package multiproc

// raceDetector says that everything takes ten times as long.
const raceDetector = true
