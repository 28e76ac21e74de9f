package plot

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain fixes the seed of the property tests, so that a run depends on nothing but the code; -rapid.seed and
// -rapid.checks search further.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.seed"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func svgOf(t testing.TB, f Figure) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func figureOf(t testing.TB, rep *analysis.Report, kind string) Figure {
	t.Helper()
	for _, f := range All(rep) {
		if f.Kind() == kind {
			return f
		}
	}
	t.Fatalf("no figure of kind %s", kind)
	return Figure{}
}

// TestGolden holds one figure of each layout to the byte. After a change that is meant, run with -update and look at
// what TestGallery writes.
func TestGolden(t *testing.T) {
	failed := synthetic(spec{key: "primes", strategies: 4, cores: []int{1, 2}, grain: 1.2e-3, noise: 0.01, rounds: 10, serial: 0.02})
	fail(&failed.Tables[0], "pool", 2)
	for _, kind := range []string{KindTime, KindSpeedup, KindDistribution, KindSplit} {
		got := svgOf(t, figureOf(t, failed, kind))
		path := filepath.Join("testdata", kind+".svg")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s; if that is meant, run go test ./report/plot -update and look at it", kind, path)
		}
	}
}

func TestSameReportSameBytes(t *testing.T) {
	a, b := drawable(scenes()["failed"]), drawable(scenes()["failed"])
	for i := range a {
		if !bytes.Equal(svgOf(t, a[i]), svgOf(t, b[i])) {
			t.Errorf("%s: two SVGs differ", a[i].Name())
		}
		var p, q bytes.Buffer
		if err := errors.Join(a[i].WritePNG(&p), b[i].WritePNG(&q)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Bytes(), q.Bytes()) {
			t.Errorf("%s: two PNGs differ", a[i].Name())
		}
	}
}

// TestPNG: twice the pixels of the SVG, something on them, and nothing in the outermost ones, where it would be cut.
func TestPNG(t *testing.T) {
	for _, scene := range []string{"default", "one", "hostile"} {
		for _, f := range drawable(scenes()[scene]) {
			var b bytes.Buffer
			if err := f.WritePNG(&b); err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(&b)
			if err != nil {
				t.Fatalf("%s: %v", f.Name(), err)
			}
			w, h := f.Size()
			if got := img.Bounds().Size(); got != image.Pt(2*w, 2*h) {
				t.Errorf("%s %s: PNG of %v, SVG of %d × %d", scene, f.Name(), got, w, h)
			}
			inked := 0
			rgba := img.(*image.RGBA) // what the decoder makes of an opaque picture
			for i := 0; i < len(rgba.Pix); i += 4 {
				if p := rgba.Pix[i : i+3]; p[0]&p[1]&p[2] == 0xFF {
					continue
				}
				inked++
				if x, y := i%rgba.Stride/4, i/rgba.Stride; x < 8 || y < 8 || x >= 2*w-8 || y >= 2*h-8 {
					t.Fatalf("%s %s: ink at (%d, %d), at the edge", scene, f.Name(), x, y)
				}
			}
			if share := float64(inked) / float64(4*w*h); share < 0.01 || share > 0.6 {
				t.Errorf("%s %s: %.1f %% of the pixels are inked", scene, f.Name(), 100*share)
			}
		}
	}
}

// TestSVGIsWellFormedAndHarmless: hostile names end up as text of the expected elements and nowhere else.
func TestSVGIsWellFormedAndHarmless(t *testing.T) {
	allowed := map[string]bool{"svg": true, "title": true, "desc": true, "g": true, "path": true, "text": true}
	for name, rep := range scenes() {
		for _, f := range drawable(rep) {
			dec := xml.NewDecoder(bytes.NewReader(svgOf(t, f)))
			texts := 0
			for {
				tok, err := dec.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s %s: %v", name, f.Name(), err)
				}
				switch tok := tok.(type) {
				case xml.StartElement:
					if !allowed[tok.Name.Local] {
						t.Errorf("%s %s: element %s", name, f.Name(), tok.Name.Local)
					}
					for _, a := range tok.Attr {
						if strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Name.Local, "href") {
							t.Errorf("%s %s: attribute %s", name, f.Name(), a.Name.Local)
						}
					}
					if tok.Name.Local == "text" {
						texts++
					}
				case xml.CharData:
					if i := strings.IndexFunc(string(tok), func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) }); i >= 0 {
						t.Errorf("%s %s: control character in %q", name, f.Name(), tok)
					}
				}
			}
			if texts < 5 {
				t.Errorf("%s %s: only %d texts", name, f.Name(), texts)
			}
		}
	}
}

func TestSVGTextKeepsItsWidth(t *testing.T) {
	svg := string(svgOf(t, figureOf(t, scenes()["default"], KindTime)))
	if n, m := strings.Count(svg, "<text "), strings.Count(svg, "textLength="); n != m {
		t.Errorf("%d texts, %d with a fixed length", n, m)
	}
	for _, want := range []string{`<g font-family="'Liberation Sans',Arial,Helvetica,`, `text-anchor="end"`, `text-anchor="middle"`,
		`width="820"`, "<title>primes: time per task, median and 98 % interval</title>", "The lowest median is "} {
		if !strings.Contains(svg, want) {
			t.Errorf("the SVG lacks %s", want)
		}
	}
	if strings.Contains(svg, "font-family:") {
		t.Error("a text names a font of its own")
	}
}

func TestFontHasWhatIsWritten(t *testing.T) {
	const used = "0123456789.,:·…%×÷µ–-()+=" + "abcxyzABCXYZ"
	if got := clean(used); got != used {
		t.Errorf("clean(%q) = %q", used, got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"process-pool:mode=imap": "process-pool:mode=imap",
		"a\x00b\x1b[31m":         "a?b?[31m",
		"a\n\n b\tc ":            "a b c",
		"x\u202ey":               "x?y",
		"e\u0301\u0301":          "e??",
		"日本":                     "??",
		"\xff":                   "?",
		"":                       "",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	const whole = "process-pool:mode=imap-unordered,chunk=16"
	if got := elide(whole); got != whole {
		t.Errorf("elide shortened %q to %q", whole, got)
	}
	if got := elide(strings.Repeat("abcdefghij", 20)); len([]rune(got)) != maxRunes || !strings.Contains(got, "…") {
		t.Errorf("elide gave %d runes: %q", len([]rune(got)), got)
	}
	if got := labelStyle.fit(strings.Repeat("W", 48), 100); labelStyle.width(got) > 100 || len(got) < 5 {
		t.Errorf("fit gave %q, %.0f pixels", got, labelStyle.width(got))
	}
}

func TestStylesAreDistinct(t *testing.T) {
	type look struct {
		c color.NRGBA
		s int
	}
	seen := make(map[look]bool)
	for i := range 56 {
		s := styleOf(i)
		if k := (look{s.colour, s.shape}); seen[k] {
			t.Errorf("series %d looks like an earlier one", i)
		} else {
			seen[k] = true
		}
	}
	for i := range 20 {
		for j := range i {
			a, b := styleOf(i), styleOf(j)
			if a.colour == b.colour && (a.shape == b.shape || len(a.dash) == len(b.dash) && (len(a.dash) == 0 || a.dash[0] == b.dash[0])) {
				t.Errorf("series %d and %d share a colour and a glyph or dash", i, j)
			}
		}
	}
}

func TestOmitted(t *testing.T) {
	omitted := func(rep *analysis.Report) map[string]string {
		out := make(map[string]string)
		for _, f := range All(rep) {
			out[f.Kind()] = f.Omitted()
		}
		return out
	}
	s := scenes()
	if o := omitted(s["default"]); len(o) != 6 || o[KindTime]+o[KindSpeedup]+o[KindEfficiency]+o[KindDistribution]+o[KindCPU]+o[KindSplit] != "" {
		t.Errorf("of a whole report is left out: %v", o)
	}
	if o := omitted(s["probe"]); len(o) != 3 || o[KindTime]+o[KindDistribution]+o[KindSplit] != "" {
		t.Errorf("a probe has %v", o)
	}
	if o := omitted(s["single"]); o[KindSpeedup] != "" || !strings.Contains(o[KindEfficiency], "two core counts") {
		t.Errorf("one core count gives %v", o)
	}
	if o := omitted(s["one"]); o[KindTime]+o[KindDistribution] != "" || !strings.Contains(o[KindSpeedup], "only the reference") || o[KindEfficiency] == "" {
		t.Errorf("the reference alone gives %v", o)
	}
	for _, f := range All(s["one"]) {
		if strings.Contains(f.Title(), "too few rounds") || strings.Contains(f.Alt(), "1 strategies") {
			t.Errorf("%q, %q of ten rounds of one strategy", f.Title(), f.Alt())
		}
	}
	for _, name := range []string{"nothing", "unfilled"} {
		for kind, why := range omitted(s[name]) {
			if why == "" {
				t.Errorf("%s: %s is drawn without data", name, kind)
			}
		}
	}
	if All(nil) != nil {
		t.Error("a figure without a report")
	}
	for _, f := range All(s["nothing"]) {
		if err := f.WriteSVG(io.Discard); !errors.Is(err, ErrOmitted) || !strings.Contains(err.Error(), f.Omitted()) {
			t.Errorf("WriteSVG: %v", err)
		}
		if err := f.WritePNG(io.Discard); !errors.Is(err, ErrOmitted) {
			t.Errorf("WritePNG: %v", err)
		}
	}
}

func TestCeilingTablesAndCellsAreNotFigures(t *testing.T) {
	rep := synthetic(spec{key: "spin", strategies: 2, cores: []int{1, 2}, grain: 1e-3, rounds: 6, probe: true})
	rep.Tables[0].Entry.Ceiling = true
	for i := range rep.Tables[0].Rows {
		rep.Tables[0].Rows[i].Cell.Ceiling = true
	}
	if f := All(rep); len(f) != 0 {
		t.Errorf("%d figures of the ceiling's own table", len(f))
	}
}

func TestAllFailedIsShown(t *testing.T) {
	rep := synthetic(spec{key: "primes", strategies: 1, cores: []int{1}, grain: 1e-3, rounds: 6})
	fail(&rep.Tables[0], "sequential", 1)
	f := figureOf(t, rep, KindTime)
	if f.Omitted() != "" || !strings.Contains(f.Title(), "every cell failed") {
		t.Errorf("title %q, left out: %q", f.Title(), f.Omitted())
	}
}

func TestNamesAreSafeAndUnique(t *testing.T) {
	rep := &analysis.Report{}
	for _, key := range []string{"primes{limit=10000}", "Primes{limit=10000}", "../../etc/passwd", "", "...", hostileText, hostileText, "http"} {
		rep.Tables = append(rep.Tables, analysis.Table{Entry: results.PlanEntry{Key: key}, Reference: -1})
	}
	seen := make(map[string]bool)
	for _, f := range All(rep) {
		if seen[f.Name()] {
			t.Errorf("%s occurs twice", f.Name())
		}
		seen[f.Name()] = true
		if strings.Trim(f.Name(), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.HasPrefix(f.Name(), ".") || strings.HasPrefix(f.Name(), "-") {
			t.Errorf("unsafe name %q", f.Name())
		}
	}
	for _, want := range []string{"primes-limit-10000-time", "primes-limit-10000-2-time", "etc-passwd-cpu", "workload-time", "http-speedup"} {
		if !seen[want] {
			t.Errorf("no figure %s among %v", want, seen)
		}
	}
}

func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out", "plots")
	files, err := WriteDir(t.Context(), dir, scenes()["failed"])
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 6 || files[0].Name != "primes-time.svg" || files[0].Kind != KindTime || files[0].Workload != "primes" ||
		files[0].Title == "" || files[0].Alt == "" || files[0].PNG() != "primes-time.png" {
		t.Fatalf("files %+v", files)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 12 {
		t.Errorf("%d files in the directory, want 12: %v", len(entries), entries)
	}
	for _, f := range files {
		for name, magic := range map[string]string{f.Name: "<svg ", f.PNG(): "\x89PNG"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !bytes.HasPrefix(b, []byte(magic)) {
				t.Errorf("%s: %v, begins with %.8q", name, err, b)
			}
		}
	}
	if _, err := WriteDir(t.Context(), dir, scenes()["failed"]); err != nil {
		t.Errorf("writing over older plots: %v", err)
	}
}

func TestWriteDirRemovesStaleFigures(t *testing.T) {
	dir := t.TempDir()
	if _, err := WriteDir(t.Context(), dir, synthetic(
		spec{key: "primes", strategies: 2, cores: []int{1, 2}, grain: 1e-3, rounds: 6},
		spec{key: "http", strategies: 2, cores: []int{1, 2}, grain: 1e-3, rounds: 6})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notes.txt", "primes-time.svg.bak", "primes-memory.svg", "My-time.svg", ".x-time.svg"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "a-time.svg"), 0o755); err != nil {
		t.Fatal(err)
	}
	// One core count leaves no efficiency to be drawn.
	if _, err := WriteDir(t.Context(), dir, synthetic(spec{key: "primes", strategies: 2, cores: []int{1}, grain: 1e-3, rounds: 6})); err != nil {
		t.Fatal(err)
	}
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := []string{".x-time.svg", "My-time.svg", "a-time.svg", "notes.txt", "primes-cpu.png", "primes-cpu.svg", "primes-distribution.png",
		"primes-distribution.svg", "primes-memory.svg", "primes-speedup.png", "primes-speedup.svg", "primes-split.png", "primes-split.svg", "primes-time.png", "primes-time.svg", "primes-time.svg.bak"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("left in the directory (-want +got):\n%s", d)
	}
}

// TestRatiosAreNotMedians: speedups and efficiencies are paired estimates, and every title names the level attained.
func TestRatiosAreNotMedians(t *testing.T) {
	run := runtest.Realistic()
	for _, level := range []float64{.95, .98} {
		rep, err := analysis.Analyse(run, analysis.Options{Level: level})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range drawable(rep) {
			switch f.Kind() {
			case KindSpeedup, KindEfficiency:
				if strings.Contains(f.Title()+f.Alt(), "median") || !strings.Contains(f.Title(), "paired by round and ") || strings.Contains(f.Title(), "95 %") != (level == .95) {
					t.Errorf("at %v: title %q, alt %q", level, f.Title(), f.Alt())
				}
			case KindTime:
				if !strings.Contains(f.Alt(), "lowest median") || !strings.Contains(f.Title(), "median and ") || strings.Contains(f.Title(), "95 %") {
					t.Errorf("at %v: title %q, alt %q", level, f.Title(), f.Alt())
				}
			}
		}
	}
}

func TestCeilingNeedsAnInterval(t *testing.T) {
	s := runtest.RealisticSpec()
	for rounds, want := range map[int]bool{1: false, 5: false, 10: true} {
		s.Rounds = rounds
		rep, err := analysis.Analyse(runtest.Build(s), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := figureOf(t, rep, KindSpeedup)
		if got := strings.Contains(f.Alt(), "The machine itself reached 1.963 × (1.961 to 1.967) on 2 cores during this run."); got != want {
			t.Errorf("%d rounds: alt %q", rounds, f.Alt())
		}
		if got := bytes.Contains(svgOf(t, f), []byte("this machine&#39;s ceiling")); got != want {
			t.Errorf("%d rounds: the ceiling is drawn: %v, want %v", rounds, got, want)
		}
	}
}

func TestFiguresSayThatTheMachineWasDisturbed(t *testing.T) {
	for share, want := range map[float64]bool{.2: false, .83: true} {
		rep := synthetic(spec{key: "primes", strategies: 3, cores: []int{1, 2}, grain: 1e-3, noise: .01, rounds: 10})
		rep.Tables[0].Disturbed = share
		for _, f := range drawable(rep) {
			if got := bytes.Contains(svgOf(t, f), []byte("10 rounds · 83 % of trials disturbed by others")); got != want {
				t.Errorf("%s with %v disturbed: said %v, want %v", f.Kind(), share, got, want)
			}
		}
	}
}

func TestWaitingWorkHasALineAtOne(t *testing.T) {
	for _, f := range drawable(scenes()["realistic"]) {
		if f.Kind() == KindSpeedup && f.Workload() == "http" && !bytes.Contains(svgOf(t, f), []byte(">sequential = 1<")) {
			t.Error("the legend does not name the line at 1")
		}
	}
}

func TestWriteDirFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteDir(t.Context(), file, scenes()["one"]); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file in place of the directory: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "primes-time.svg"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteDir(t.Context(), dir, scenes()["one"]); err == nil || !strings.Contains(err.Error(), "primes-time.svg") {
		t.Errorf("a directory in place of a plot: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := WriteDir(ctx, dir, scenes()["one"]); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWriteFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("disk full")
	err := writeFile(filepath.Join(dir, "x.svg"), func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of it")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriterErrorsAreReturned(t *testing.T) {
	f := figureOf(t, scenes()["one"], KindTime)
	if err := f.WriteSVG(brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("SVG: %v", err)
	}
	if err := f.WritePNG(brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("PNG: %v", err)
	}
}

// BenchmarkWriteDir writes the plots of a default report: three workloads, seven strategies, two core counts.
func BenchmarkWriteDir(b *testing.B) {
	var specs []spec
	for _, key := range []string{"primes", "http", "triad"} {
		specs = append(specs, spec{key: key, strategies: 7, cores: []int{1, 2}, grain: 1e-3, noise: 0.01, rounds: 10})
	}
	rep := synthetic(specs...)
	dir := b.TempDir()
	for b.Loop() {
		if _, err := WriteDir(b.Context(), dir, rep); err != nil {
			b.Fatal(err)
		}
	}
}
