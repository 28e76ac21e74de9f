package workloads

import (
	"context"
	"sync/atomic"
)

// retained is how many finished trees stay alive: enough that the collector has pointers to follow, whatever n is.
const retained = 16

type alloc struct{}

// Alloc returns the workload "alloc": search trees of small nodes, some of which outlive their task. It measures the
// allocator and the garbage collector, which goroutines share and processes do not.
func Alloc() Workload { return alloc{} }

func (alloc) Info() Info {
	return Info{
		Name: "alloc",
		Kind: Memory,
		Doc:  "builds search trees of many small allocations and keeps some alive for the collector",
		Params: []Param{
			{Name: "nodes", Type: Int, Default: "4096", Doc: "nodes of a tree", Min: 1, Max: 10_000_000},
		},
	}
}

func (w alloc) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	return &allocTasks{seed: env.Seed, nodes: env.Params.Int("nodes")}, nil
}

// node is one of a binary search tree. Every fourth keeps its payload.
type node struct {
	key         uint64
	payload     []uint64
	left, right *node
}

type allocTasks struct {
	seed  uint64
	nodes int
	kept  [retained]atomic.Pointer[node]
}

func (t *allocTasks) Task(_ context.Context, i int) (uint64, error) {
	s := TaskStream(t.seed, i)
	var root *node
	var dropped uint64
	for k := range t.nodes {
		n := &node{key: s.Next()}
		payload := newPayload(n.key)
		if k%4 == 0 {
			n.payload = payload
		} else {
			dropped += total(payload)
		}
		insert(&root, n)
	}
	h := Fold(root.fold(Key(t.seed, i)), dropped)
	t.kept[i%retained].Store(root)
	return h, nil
}

// newPayload allocates 1 to 16 words. Their number is known only here and now, so none of them can live on the stack.
func newPayload(key uint64) []uint64 {
	p := make([]uint64, 1+key%16)
	for j := range p {
		p[j] = key + uint64(j)
	}
	return p
}

func total(words []uint64) (sum uint64) {
	for _, w := range words {
		sum += w
	}
	return sum
}

// insert puts n below root without balancing: the keys are random, so the depth stays near 2·ln(nodes).
func insert(root **node, n *node) {
	for *root != nil {
		if n.key < (*root).key {
			root = &(*root).left
		} else {
			root = &(*root).right
		}
	}
	*root = n
}

// fold digests the tree in pre-order, which depends on its shape.
func (n *node) fold(h uint64) uint64 {
	if n == nil {
		return h
	}
	h = Fold(h, n.key)
	if n.payload != nil {
		h = Fold(h, total(n.payload))
	}
	return n.right.fold(n.left.fold(h))
}

// Close lets go of the trees.
func (t *allocTasks) Close() error {
	for k := range t.kept {
		t.kept[k].Store(nil)
	}
	return nil
}
