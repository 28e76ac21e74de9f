package builtin

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/parbench/parbench/workloads"
)

// timeWait is the state TIME_WAIT in /proc/net/tcp.
const timeWait = "06"

// TestClientsKeepNoPorts closes many clients and looks for ports that the kernel still holds for them.
func TestClientsKeepNoPorts(t *testing.T) {
	addr := serve(t)
	params, err := workloads.Resolve(HTTP().Info().Params, map[string]string{"latency": "0s"})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		tasks, err := HTTP().Prepare(t.Context(), workloads.Env{Params: params, Fixture: addr})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tasks.Task(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if err := tasks.Close(); err != nil {
			t.Fatal(err)
		}
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	server := fmt.Sprintf("0100007F:%04X", n)
	listening := false
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line) // sl, local address, remote address, state, …
		listening = listening || len(f) > 3 && f[1] == server
		if len(f) > 3 && f[2] == server && f[3] == timeWait {
			t.Errorf("a port is held in TIME_WAIT: %s", line)
		}
	}
	if !listening {
		t.Error("the table does not show the server")
	}
}
