package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parbench/parbench/workloads"
)

// Bounds of what the server takes from a path; the parameters of the workloads keep within them.
const (
	maxSize    = 64 << 20 // bytes of a body
	maxRecords = 100_000
	maxLatency = time.Minute
)

// Server is the fixture "http": a web server on a free port of the loopback interface. Bodies are functions of the path:
//
//	/bytes/SEED/TASK/SIZE/LATENCY      Fill of Key(SEED, TASK), SIZE bytes
//	/records/SEED/TASK/COUNT/LATENCY   the JSON document of Key(SEED, TASK), COUNT records
//
// LATENCY is a number of nanoseconds that the server waits on a timer before it answers.
type Server struct{}

var _ workloads.Fixture = Server{}

// Serve starts the server; its address is "127.0.0.1:port". The context bounds the start only. Stop closes every
// connection at once and returns when the handlers have ended; further calls do nothing.
func (Server) Serve(ctx context.Context) (addr string, stop func() error, err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listening on the loopback interface: %w", err)
	}
	var open sync.WaitGroup
	var closing atomic.Bool
	srv := &http.Server{
		Handler: newHandler(),
		// Only against clients that never send a request. Idle connections stay open: closing them would race with the
		// next request of a client and make it connect anew within a measurement.
		ReadHeaderTimeout: time.Minute,
		MaxHeaderBytes:    16 << 10,
		// Counts connections, so that stop can wait until the goroutine of each has ended.
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
				if closing.Load() { // accepted while stop was closing the others
					_ = c.Close()
				}
			case http.StateClosed:
				open.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	return l.Addr().String(), sync.OnceValue(func() error {
		closing.Store(true)
		closeErr := srv.Close() // also cancels the contexts of the handlers, which wait on them
		err := <-served
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		open.Wait()
		return errors.Join(err, closeErr)
	}), nil
}

// handler answers requests. Safe for concurrent use.
type handler struct {
	*http.ServeMux
	bodies sync.Pool
	cache  cache
}

func newHandler() *handler {
	h := &handler{ServeMux: http.NewServeMux(), cache: cache{limit: 64 << 20}}
	h.bodies.New = func() any { return new([]byte) }
	h.HandleFunc("GET /bytes/{seed}/{task}/{size}/{latency}", h.bytes)
	h.HandleFunc("GET /records/{seed}/{task}/{size}/{latency}", h.records)
	return h
}

func (h *handler) bytes(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r, maxSize)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := h.bodies.Get().(*[]byte)
	defer h.bodies.Put(p)
	if cap(*p) < q.size {
		*p = make([]byte, q.size)
	}
	body := (*p)[:q.size]
	answer(w, r, q.latency, "application/octet-stream", func() []byte {
		workloads.Fill(body, q.key)
		return body
	})
}

func (h *handler) records(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r, maxRecords)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, r, q.latency, "application/json", func() []byte { return h.cache.document(q.key, q.size) })
}

// answer sends what body returns, latency after it was called: making the body is part of the wait as far as it fits
// in. A client that goes away ends the wait.
func answer(w http.ResponseWriter, r *http.Request, latency time.Duration, contentType string, body func() []byte) {
	timer := time.NewTimer(latency)
	defer timer.Stop()
	data := body()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // fails only where the client is gone, and nobody is left to tell
}

type query struct {
	key     uint64
	size    int
	latency time.Duration
}

func parseQuery(r *http.Request, maxSize int) (query, error) {
	seed, err1 := strconv.ParseUint(r.PathValue("seed"), 10, 64)
	task, err2 := strconv.ParseUint(r.PathValue("task"), 10, 31)
	size, err3 := strconv.ParseUint(r.PathValue("size"), 10, 31)
	latency, err4 := strconv.ParseUint(r.PathValue("latency"), 10, 62)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return query{}, err
	}
	if int(size) > maxSize || time.Duration(latency) > maxLatency {
		return query{}, fmt.Errorf("size is at most %d, latency at most %d ns", maxSize, maxLatency.Nanoseconds())
	}
	return query{workloads.Key(seed, int(task)), int(size), time.Duration(latency)}, nil
}

// cache keeps encoded documents: a run asks for the same few over and over, and the server's processor time is taken
// from the workload that is measured. Beyond its limit it starts again from nothing. Safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	limit int // bytes
	used  int
	texts map[cacheKey][]byte
}

type cacheKey struct {
	key     uint64
	records int
}

func (c *cache) document(key uint64, records int) []byte {
	k := cacheKey{key, records}
	c.mu.Lock()
	text, ok := c.texts[k]
	c.mu.Unlock()
	if ok {
		return text
	}
	text, err := json.Marshal(makeDocument(key, records))
	if err != nil {
		panic(err) // plain strings and finite numbers cannot fail
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.texts[k]; ok {
		return text // another request was faster
	}
	if c.texts == nil || c.used+len(text) > c.limit {
		c.texts, c.used = map[cacheKey][]byte{}, 0
	}
	if len(text) <= c.limit {
		c.texts[k] = text
		c.used += len(text)
	}
	return text
}
