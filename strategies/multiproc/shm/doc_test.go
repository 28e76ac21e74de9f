//go:build linux && (amd64 || arm64)

package shm

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

const docFile = "../../../docs/shm.md"

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
