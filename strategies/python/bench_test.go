package python

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// BenchmarkStart is the time from starting the interpreter to "ready": as trials start it, with the search for site packages,
// and without the bytecode that Unpack's directory keeps.
func BenchmarkStart(b *testing.B) {
	in, err := Find(context.Background(), "")
	if err != nil {
		b.Skip(err)
	}
	p, err := Unpack()
	if err != nil {
		b.Fatal(err)
	}
	isolated := p.Args("")
	code := isolated[len(isolated)-2:]
	for _, v := range []struct {
		name string
		args []string
	}{
		{"isolated", isolated},
		{"with site packages", slices.Concat([]string{"-I"}, code)},
		{"without bytecode", slices.Concat([]string{"-I", "-S", "-B", "-X", "pycache_prefix=/dev/null/nowhere"}, code)},
	} {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				ready(b, in, v.args)
			}
		})
	}
}

func ready(b *testing.B, in Interpreter, args []string) {
	c, err := spawn.Start(spawn.Command{
		Path: in.Path, Args: append([]string{in.Path}, args...), Env: append(os.Environ(), protocol.Cookie+"="+protocol.CookieValue),
		NewGroup: true, Protocol: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	q := cell("primes", "py-sequential", func(r *protocol.Run) { r.Params = map[string]string{"limit": "10"} })
	q.Protocol = protocol.Version
	if err := protocol.NewWriter(c.In).Send(q); err != nil {
		b.Fatal(err)
	}
	r, err := protocol.NewReader(c.Out).Record()
	if err != nil || r.Type != "ready" {
		b.Fatalf("got %+v, %v", r, err)
	}
	b.StopTimer()
	_ = c.Kill()
	if _, err := c.Wait(context.Background()); err != nil {
		b.Fatal(err)
	}
	c.In.Close()
	c.Out.Close()
	b.StartTimer()
}
