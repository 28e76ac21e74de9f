package results

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// zipped compresses parts as members of one gzip file, as "cat a.gz b.gz" does.
func zipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		if _, err := z.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestReadGzip: a compressed run is read as the run is, from a file of any name and from input that comes byte by byte, in one
// member or several, and a last line without its end is still told.
func TestReadGzip(t *testing.T) {
	plain := encodeRun(t, &Run{Header: headerOf(sample())})
	plain = append(plain, `{"type":"trial","cell":1,"wall_ns":[1,2]}`+"\n"+`{"type":"tri`...)
	want, err := Read(bytes.NewReader(plain))
	if err != nil || want.Torn == 0 || len(want.Trials) != 1 {
		t.Fatalf("%+v, %v", want, err)
	}
	path := filepath.Join(t.TempDir(), "run.jsonl") // the content decides, not the name
	if err := os.WriteFile(path, zipped(t, plain), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() (*Run, error){
		"file":         func() (*Run, error) { return ReadFile(path) },
		"byte by byte": func() (*Run, error) { return Read(iotest.OneByteReader(bytes.NewReader(zipped(t, plain)))) },
		"members":      func() (*Run, error) { return Read(bytes.NewReader(zipped(t, plain[:100], plain[100:], nil))) },
	} {
		got, err := read()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := same(want, got); d != "" || got.Torn != want.Torn {
			t.Errorf("%s: torn %d, -want +got:\n%s", name, got.Torn, d)
		}
	}
	if _, _, err := Append(path); err == nil || !strings.Contains(err.Error(), "run.jsonl: compressed with gzip") || !strings.Contains(err.Error(), "gzip -d") {
		t.Errorf("appending to a compressed file: %v", err)
	}
	if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, zipped(t, plain)) {
		t.Errorf("appending has changed the compressed file: %v", err)
	}
}

// TestReadBadGzip: what cannot be decompressed is one line that says why, wherever the damage is.
func TestReadBadGzip(t *testing.T) {
	run := encodeRun(t, &Run{Header: headerOf(sample()), Trials: []Trial{{Cell: 1, Wall: Nanos{1, 2}}}})
	whole := zipped(t, run)
	for at := range len(whole) - 1 {
		if at < len(gzipMagic) {
			continue // too short to be told from anything else
		}
		_, err := Read(bytes.NewReader(whole[:at]))
		if fe, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(fe.Msg, "incomplete") {
			t.Fatalf("the first %d of %d bytes: %v", at, len(whole), err)
		}
	}
	flipped := bytes.Clone(whole)
	flipped[len(whole)-6] ^= 1 // in the checksum
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"checksum":     {flipped, "damaged (gzip: invalid checksum)"},
		"method":       {[]byte("\x1f\x8b\x01" + strings.Repeat("x", 100)), "damaged (gzip: invalid header)"},
		"data":         {append(bytes.Clone(whole[:10]), 0xff, 0xff, 0xff, 0xff), "damaged (flate: corrupt input"},
		"what follows": {append(bytes.Clone(whole), "run of parbench"...), "damaged (gzip: invalid header)"},
		"twice":        {zipped(t, whole), "gzip twice"},
		"not a run":    {zipped(t, []byte("hello\n")), "not a parbench run"},
		"empty":        {zipped(t, nil), "the file is empty"},
	} {
		got, err := Read(bytes.NewReader(c.in))
		if _, ok := errors.AsType[*FormatError](err); !ok || got != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, c.want)
		}
	}
	pulled := errors.New("cable pulled")
	if _, err := Read(io.MultiReader(bytes.NewReader(whole[:20]), iotest.ErrReader(pulled))); !errors.Is(err, pulled) {
		t.Errorf("an error of the input below: %v", err)
	}
}

// TestReadGzipBomb: what is made to fill the memory does not, whether it is one line or many records.
func TestReadGzipBomb(t *testing.T) {
	head := encodeRun(t, &Run{Header: headerOf(sample())})
	for name, c := range map[string]struct{ filler, want string }{
		"records": {strings.Repeat(`{"type":"trial","cell":1,"wall_ns":[1]}`+"\n", 1<<16), "more than 100 times its size"},
		"a line":  {strings.Repeat(" ", 1<<21), "more than 100 times its size"},
		"blanks":  {strings.Repeat("\n", 1<<21), "records"}, // which take no memory
	} {
		in, out := io.Pipe()
		go func() {
			z := gzip.NewWriter(out)
			_, err := z.Write(head)
			for range 1 << 12 { // 8 GiB and more, if anybody took it
				if err != nil {
					break
				}
				_, err = io.WriteString(z, c.filler)
			}
			_ = out.CloseWithError(io.EOF)
		}()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(in)
		runtime.ReadMemStats(&after)
		_ = in.Close()
		if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 2<<30 {
			t.Errorf("%s: %d MiB were allocated", name, used>>20)
		}
	}
}
