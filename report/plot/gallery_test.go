package plot

import (
	"flag"
	"path/filepath"
	"testing"
)

var gallery = flag.String("gallery", "", "write every figure of every scene below this directory, to be looked at")

func TestGallery(t *testing.T) {
	dir := *gallery
	if dir == "" {
		dir = t.TempDir()
	}
	for name, rep := range scenes() {
		files, err := WriteDir(t.Context(), filepath.Join(dir, name), rep)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(files) == 0 && name != "nothing" {
			t.Errorf("%s: no figure was written", name)
		}
	}
}
