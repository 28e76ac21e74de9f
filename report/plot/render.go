package plot

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"html"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/parbench/parbench/results/analysis"
)

// File is a figure as WriteDir wrote it: Name is its SVG; the PNG lies beside it.
type File struct {
	Name       string // "primes-time.svg": a base name, safe everywhere
	Title, Alt string // plain text for the caller to escape
	Workload   string // PlanEntry.Key, untrusted
	Kind       string // one of the Kind constants
}

// PNG returns the base name of the same figure as PNG.
func (f File) PNG() string { return strings.TrimSuffix(f.Name, ".svg") + ".png" }

// fontFamily is what the SVG asks for: the font that was measured, then those of equal widths.
const fontFamily = `'Liberation Sans',Arial,Helvetica,'Nimbus Sans',Arimo,sans-serif`

// svgCanvas is gonum's SVG canvas that remembers the attributes that each text lacks there.
type svgCanvas struct {
	*vgsvg.Canvas
	align alignment
	attrs []string
}

var _ anchorer = (*svgCanvas)(nil)

func (c *svgCanvas) anchor(a alignment) { c.align = a }

// FillString draws text from its left end on, like every canvas, but has it anchored where the layout aligned it: a
// reader without the font and without textLength still gets straight columns.
func (c *svgCanvas) FillString(f font.Face, pt vg.Point, text string) {
	w := f.Width(text)
	attr := fmt.Sprintf(`textLength="%.1f" lengthAdjust="spacingAndGlyphs" `, w.Points())
	switch c.align {
	case centre:
		attr += `text-anchor="middle" `
		pt.X += w / 2
	case right:
		attr += `text-anchor="end" `
		pt.X += w
	}
	c.attrs = append(c.attrs, attr)
	c.Canvas.FillString(f, pt, text)
}

// svg draws on gonum's canvas and improves what it writes: the size in pixels in place of points, a title and a
// description for screen readers, a list of fonts in place of one that few readers have, and the measured width of each
// text. Gonum escapes <, >, & and quotes in text, so none of the patterns below can occur inside a label.
func (f Figure) svg(w io.Writer) error {
	c := &svgCanvas{Canvas: vgsvg.New(figureWidth, vg.Length(f.height))}
	p := &painter{c: c, w: figureWidth, h: f.height}
	p.rect(white, box{0, 0, p.w, p.h}) // pages may be dark; gonum's raster canvas begins white
	f.draw(p)
	var raw bytes.Buffer
	if _, err := c.WriteTo(&raw); err != nil {
		return err
	}
	_, body, ok := strings.Cut(raw.String(), `xmlns:xlink="http://www.w3.org/1999/xlink">`)
	if !ok {
		return fmt.Errorf("draw %s: unexpected SVG prologue", f.name)
	}
	body = strings.TrimSuffix(strings.TrimSpace(body), "</svg>")
	for _, weight := range []string{"normal", "bold"} {
		short := `style="`
		if weight != "normal" {
			short += "font-weight:" + weight + ";"
		}
		body = strings.ReplaceAll(body, `style="font-family:Liberation Sans;font-variant:normal;font-weight:`+weight+
			`;font-style:normal;`, short)
	}
	parts := strings.Split(body, "<text ")
	if len(parts) != len(c.attrs)+1 {
		return fmt.Errorf("draw %s: %d texts in the SVG, drew %d", f.name, len(parts)-1, len(c.attrs))
	}
	out := bufio.NewWriter(w)
	width, height := f.Size()
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n"+
		"<title>%s</title>\n<desc>%s</desc>\n"+`<g font-family="%s">`,
		width, height, width, height, html.EscapeString(f.title), html.EscapeString(f.alt), fontFamily)
	for i, part := range parts {
		if i > 0 {
			out.WriteString("<text " + c.attrs[i-1])
		}
		out.WriteString(part)
	}
	out.WriteString("</g>\n</svg>\n")
	return out.Flush() // bufio keeps the first error
}

// highRes is the height up to which a PNG has two pixels for one: higher figures would take too much memory.
const highRes = 3200

// png draws on gonum's raster canvas. A point is a pixel at 1×, so 144 dots per inch make two of it.
func (f Figure) png(w io.Writer) error {
	dpi := 144
	if f.height > highRes {
		dpi = 72
	}
	c := vgimg.NewWith(vgimg.UseWH(figureWidth, vg.Length(f.height)), vgimg.UseDPI(dpi))
	f.draw(&painter{c: c, w: figureWidth, h: f.height})
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	return enc.Encode(w, c.Image())
}

// WriteDir writes both formats of every figure that the report allows into dir, which it makes where it is missing, and
// returns them in the report's order. Figures of an earlier report that this one does not have are removed from dir: files
// whose names end like those of figures ("-time.svg"), and no others. Each file appears whole or not at all. Figures are drawn on all CPUs at once; an
// error names the file, and files that were finished before it stay.
func WriteDir(ctx context.Context, dir string, rep *analysis.Report) ([]File, error) {
	return WriteFigures(ctx, dir, All(rep))
}

// WriteFigures is WriteDir for figures from anywhere, whose names must differ.
func WriteFigures(ctx context.Context, dir string, figures []Figure) ([]File, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the plot directory: %w", err)
	}
	type job struct {
		name  string
		write func(io.Writer) error
	}
	var files []File
	var jobs []job
	for _, f := range figures {
		if f.omitted != "" {
			continue
		}
		file := File{Name: f.name + ".svg", Title: f.title, Alt: f.alt, Workload: f.workload, Kind: f.kind}
		files = append(files, file)
		jobs = append(jobs, job{file.PNG(), f.WritePNG}, job{file.Name, f.WriteSVG})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		wg.Go(func() {
			for j := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := writeFile(filepath.Join(dir, j.name), j.write); err != nil {
					cancel(fmt.Errorf("write plot %s: %w", j.name, err))
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	current := make(map[string]bool)
	for _, f := range files {
		current[f.Name], current[f.PNG()] = true, true
	}
	if err := removeStale(dir, current); err != nil {
		return nil, err
	}
	return files, nil
}

// ownName matches the names that figures have.
var ownName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*-(` + strings.Join([]string{KindTime, KindSpeedup, KindEfficiency, KindDistribution, KindCPU, KindSplit, KindScan}, "|") + `)\.(svg|png)$`)

// removeStale removes figures of an earlier report that this one does not have. Nothing but regular files with the names
// of figures is touched.
func removeStale(dir string, current map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for older plots: %w", err)
	}
	for _, e := range entries {
		if name := e.Name(); e.Type().IsRegular() && !current[name] && ownName.MatchString(name) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("remove an older plot: %w", err)
			}
		}
	}
	return nil
}

// writeFile writes a file under another name and renames it when it is complete.
func writeFile(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".plot-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close() // a second close does no harm
			_ = os.Remove(tmp.Name())
		}
	}()
	buf := bufio.NewWriterSize(tmp, 1<<16)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
