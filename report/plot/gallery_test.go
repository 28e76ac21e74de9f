package plot

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/parbench/parbench/results/analysis"
)

var gallery = flag.String("gallery", "", "write every figure of every scene below this directory, to be looked at")

// TestGallery writes the plots of the default scene, or with -gallery those of all scenes.
func TestGallery(t *testing.T) {
	all := scenes()
	dir := *gallery
	if dir == "" {
		dir = t.TempDir()
		all = map[string]*analysis.Report{"default": all["default"]}
	}
	for name, rep := range all {
		files, err := WriteDir(t.Context(), filepath.Join(dir, name), rep)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := len(drawable(rep)); len(files) != want {
			t.Errorf("%s: %d figures were written, want %d", name, len(files), want)
		}
	}
}
