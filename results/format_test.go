package results

import (
	"crypto/sha256"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// page is docs/format.md, which a reader in another language is written from.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fieldNames collects the JSON names of a type and all types below it.
func fieldNames(t *testing.T, typ reflect.Type, into map[string]bool) {
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() == "time" {
		return
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			t.Errorf("%v.%s has no JSON name", typ, f.Name)
		}
		into[name] = true
		fieldNames(t, f.Type, into)
	}
}

// The page names every field that a file can have, and its tables no other.
func TestFormatPageIsComplete(t *testing.T) {
	fields := make(map[string]bool)
	for _, typ := range []reflect.Type{reflect.TypeFor[Header](), reflect.TypeFor[Trial](), reflect.TypeFor[Note]()} {
		fieldNames(t, typ, fields)
	}
	if len(fields) < 80 {
		t.Fatalf("only %d fields found", len(fields))
	}
	text := page(t)
	for name := range fields {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/format.md does not describe the field %s", name)
		}
	}
	code := regexp.MustCompile("`([^`]+)`")
	_, tables, _ := strings.Cut(text, "\n## Header\n")
	for line := range strings.Lines(tables) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `") && len(cells) > 2 {
			for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
				if !fields[m[1]] {
					t.Errorf("docs/format.md describes a field %s that does not exist", m[1])
				}
			}
		}
	}
	for _, status := range []Status{OK, TaskFailed, Crashed, TimedOut, Wrong, Protocol} {
		if !strings.Contains(text, "`"+string(status)+"`") {
			t.Errorf("docs/format.md does not describe the status %s", status)
		}
	}
}

// The example on the page is a run file, and its arithmetic is right.
func TestFormatPageExample(t *testing.T) {
	_, example, _ := strings.Cut(page(t), "```jsonl\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("no example")
	}
	run, err := Read(strings.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Trials) != 1 || len(run.Notes) != 1 || run.Torn != 0 || run.Skipped != 0 {
		t.Fatalf("%+v", run)
	}
	trial := run.Trials[0]
	if s, ok := trial.Observation(); !ok || s != .001 {
		t.Errorf("observation %v, %v", s, ok)
	}
	sum, _ := trial.Wall.sum()
	warmup, _ := trial.Warmup.sum()
	if trial.OverheadNS != trial.TotalNS-trial.SetupNS-warmup-sum {
		t.Errorf("overhead %d, total less the parts %d", trial.OverheadNS, trial.TotalNS-trial.SetupNS-warmup-sum)
	}
}

// The page says how the plan's hash comes about: from the file's own bytes.
func TestFormatPageHash(t *testing.T) {
	b, err := os.ReadFile(mustWrite(t, sample(), nil))
	if err != nil {
		t.Fatal(err)
	}
	_, plan, _ := strings.Cut(strings.TrimSuffix(string(b), "}\n"), `"plan":`)
	hash := sample().Plan.ComputeHash()
	blank := strings.Replace(plan, `"hash":"`+hash+`"`, `"hash":""`, 1)
	if blank == plan {
		t.Fatalf("no hash %s in %s", hash, plan)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(blank))); got != hash {
		t.Errorf("the bytes hash to %s, the plan says %s", got, hash)
	}
}
