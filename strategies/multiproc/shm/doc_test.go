//go:build linux && (amd64 || arm64)

package shm

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const docFile = "../../../docs/shm.md"

// The program in the documentation is the one in testdata, and it does what the page says.
func TestDocumentedProgram(t *testing.T) {
	newArena(t, 1)
	page, program := string(must(os.ReadFile(docFile))), string(must(os.ReadFile("testdata/example/main.go")))
	_, rest, _ := strings.Cut(page, "```go\n")
	block, rest, _ := strings.Cut(rest, "```\n")
	if block != program {
		t.Errorf("the first Go block of %s differs from testdata/example/main.go", docFile)
	}
	cmd := exec.Command("go", "run", "./testdata/example")
	cmd.Stderr = os.Stderr
	out := string(must(cmd.Output()))
	if want := "[1000 1000 1000 1000 4000]\n"; out != want || !strings.Contains(rest, want) {
		t.Errorf("the program prints %q, want %q, as the page says", out, want)
	}
}

// Every offset in the page's layout tables is the one in the code.
func TestDocumentedLayout(t *testing.T) {
	page := string(must(os.ReadFile(docFile)))
	for _, row := range []struct {
		object, word string
		off          int
	}{
		{"arena", "magic", offMagic}, {"arena", "size", offSize}, {"arena", "nonce", offNonce}, {"arena", "namespace", offPIDNS},
		{"arena", "lock", offLock}, {"arena", "pending", offPending}, {"arena", "first", offFirst}, {"arena", "end", offEnd},
		{"arena", "used", offUsed}, {"arena", "blocks", offBlocks}, {"arena", "bins", offBins}, {"arena", "bin map", offBinMap},
		{"arena", "processes", offProcs}, {"arena", "chunks", offChunks},
		{"Mutex", "word", mutexWord},
		{"Reentrant", "word", reWord}, {"Reentrant", "depth", reDepth}, {"Reentrant", "owner", reOwner},
		{"RWMutex", "word", rwWord}, {"RWMutex", "drain", rwDrain}, {"RWMutex", "readers", rwTable},
		{"Semaphore", "value", semWord}, {"Semaphore", "limit", semMax},
		{"Event", "word", eventWord},
		{"Cond", "mutex", condMutex}, {"Cond", "cursor", condCursor}, {"Cond", "waiters", condTable},
		{"Barrier", "state", barState}, {"Barrier", "parties", barParties}, {"Barrier", "runner", barRunner},
		{"Value", "type", valLayout}, {"Value", "cell", valCell},
		{"Array", "type", arrLayout}, {"Array", "length", arrLen}, {"Array", "element", arrElem}, {"Array", "data", arrData},
	} {
		if want := "| " + row.object + " | " + row.word + " | " + strconv.Itoa(row.off) + " |"; !strings.Contains(page, want) {
			t.Errorf("%s lacks the row %q", docFile, want)
		}
	}
}
