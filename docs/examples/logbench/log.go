package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"

	"github.com/parbench/parbench/workloads"
)

// The two workloads that work on pieces of a log.
var (
	parse = onLog{
		info: workloads.Info{
			Name: "parse", Kind: workloads.CPU, Doc: "sums up requests and bytes of a log by status", Params: []workloads.Param{lines},
		},
		do: sumUp,
	}
	compress = onLog{
		info: workloads.Info{
			Name: "compress", Kind: workloads.CPU, Doc: "compresses a log with gzip", Params: []workloads.Param{lines, level},
		},
		do: squeeze,
	}
)

var (
	lines = workloads.Param{Name: "lines", Type: workloads.Int, Default: "2000", Doc: "lines of a piece of log", Min: 1, Max: 1e6}
	level = workloads.Param{Name: "level", Type: workloads.Int, Default: "1", Doc: "1 is fast, 9 is small", Min: 1, Max: 9}
)

// onLog is a workload whose tasks each do the same to a piece of log. The digest of a task is that of what do returns.
type onLog struct {
	info workloads.Info
	do   func(p workloads.Params, piece string) (digest uint64, err error)
}

func (w onLog) Info() workloads.Info { return w.info }

// Prepare makes the log. That is not measured, and has to give the same log in every process.
func (w onLog) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	t := &pieces{do: w.do, env: env}
	for k := range t.text {
		t.text[k] = accessLog(env.Seed, k, env.Params.Int("lines"))
	}
	return t, nil
}

type pieces struct {
	workloads.NoClose // nothing to release
	do                func(p workloads.Params, piece string) (digest uint64, err error)
	env               workloads.Env
	text              [16]string
}

// Task is what is measured. The key makes the digests of two tasks differ although they worked on the same piece.
func (t *pieces) Task(_ context.Context, i int) (uint64, error) {
	digest, err := t.do(t.env.Params, t.text[i%len(t.text)])
	return workloads.Fold(workloads.Key(t.env.Seed, i), digest), err
}

// accessLog makes a piece of log in the common log format.
func accessLog(seed uint64, piece, lines int) string {
	random := workloads.TaskStream(seed, piece)
	status := []int{200, 200, 200, 200, 304, 404, 500}
	var b strings.Builder
	for n := range lines {
		x := random.Next()
		fmt.Fprintf(&b, "192.0.2.%d - - [21/Nov/2026:06:%02d:%02d +0000] \"GET /articles/%d HTTP/1.1\" %d %d\n",
			x%256, n/60%60, n%60, x>>8%1000, status[x>>20%7], x>>32%100_000)
	}
	return b.String()
}

// sumUp counts requests and bytes by the first digit of their status. Its digest is made of these sums, so that another way
// to find the fields has to find the same.
func sumUp(_ workloads.Params, piece string) (digest uint64, err error) {
	var requests, sizes [6]uint64
	for line := range strings.Lines(piece) {
		status, size, err := fields(line)
		if err != nil {
			return 0, fmt.Errorf("line %q: %w", line, err)
		}
		requests[status/100]++
		sizes[status/100] += size
	}
	for class := range requests {
		digest = workloads.Fold(workloads.Fold(digest, requests[class]), sizes[class])
	}
	return digest, nil
}

// squeeze compresses. Its digest is that of the compressed bytes: a build that compresses otherwise does something else.
func squeeze(p workloads.Params, piece string) (digest uint64, err error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, p.Int("level"))
	if err != nil {
		return 0, err
	}
	if _, err := z.Write([]byte(piece)); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	return workloads.FoldBytes(0, out.Bytes()), nil
}
