package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/parbench/parbench/workloads"
)

// lookup asks a server for the names of addresses: work that waits. The server is a fixture, which parbench starts once for
// a run, in a process of its own, and whose address every trial gets.
type lookup struct{}

func (lookup) Info() workloads.Info {
	return workloads.Info{
		Name: "lookup", Kind: workloads.IO, Doc: "asks a server for the name of an address", Fixture: "names",
		Params: []workloads.Param{
			{Name: "latency", Type: workloads.Duration, Default: "2ms", Doc: "how long the server takes", Min: 0, Max: float64(time.Minute)},
		},
	}
}

func (lookup) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	return lookups{server: env.Fixture, latency: env.Params.Duration("latency"), seed: env.Seed}, nil
}

type lookups struct {
	workloads.NoClose
	server  string
	latency time.Duration
	seed    uint64
}

func (l lookups) Task(ctx context.Context, i int) (uint64, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", l.server)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // a batch that is given up must not wait for the server
	if _, err := fmt.Fprintf(conn, "%v 192.0.2.%d\n", l.latency, i%256); err != nil {
		return 0, err
	}
	name, err := bufio.NewReader(conn).ReadString('\n')
	return workloads.FoldBytes(workloads.Key(l.seed, i), []byte(name)), err
}

// nameServer is the fixture "names".
type nameServer struct{}

// Serve listens on a socket in a directory of its own, which stop removes.
func (nameServer) Serve(context.Context) (addr string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "names-*")
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			go answer(conn)
		}
	}()
	return l.Addr().String(), func() error { return errors.Join(l.Close(), os.RemoveAll(dir)) }, nil
}

func answer(conn net.Conn) {
	defer conn.Close()
	var latency, address string
	if _, err := fmt.Fscanln(conn, &latency, &address); err != nil {
		return
	}
	wait, err := time.ParseDuration(latency)
	if err != nil {
		return
	}
	time.Sleep(wait)
	fmt.Fprintf(conn, "host-of-%s.example\n", address) // a client that has gone is no concern of the server's
}
