package builtin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/parbench/parbench/workloads"
)

// serve starts the fixture; the test's end stops it.
func serve(t *testing.T) string {
	t.Helper()
	addr, stop, err := Server{}.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return addr
}

// tasksAt prepares a workload of the fixture at addr; the test's end closes it.
func tasksAt(t *testing.T, w workloads.Workload, addr string, given workloads.Params) workloads.Tasks {
	t.Helper()
	params, err := workloads.Resolve(w.Info().Params, given)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := w.Prepare(t.Context(), workloads.Env{Params: params, Seed: 1, Fixture: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tasks.Close(); err != nil {
			t.Error(err)
		}
	})
	return tasks
}

func TestServerListensOnLoopbackOnly(t *testing.T) {
	host, port, err := net.SplitHostPort(serve(t))
	if err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("listens at %s, port %s: %v", host, port, err)
	}
}

// TestManyClients has every process of a pool in mind: clients that share nothing, each with requests of its own at once.
func TestManyClients(t *testing.T) {
	addr := serve(t)
	var wg sync.WaitGroup
	for c := range 12 {
		w := []workloads.Workload{HTTP(), FetchParse()}[c%2]
		tasks := tasksAt(t, w, addr, workloads.Params{"latency": "1ms"})
		for g := range 16 {
			wg.Go(func() {
				for i := range 4 {
					if _, err := tasks.Task(t.Context(), g*4+i); err != nil {
						t.Errorf("client %d, task %d: %v", c, g*4+i, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestClientDoesNotLimitConnections answers nobody before all have asked.
func TestClientDoesNotLimitConnections(t *testing.T) {
	const n = 100
	var asked atomic.Int32
	all := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		newHandler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	tasks := tasksAt(t, HTTP(), srv.Listener.Addr().String(), workloads.Params{"latency": "0s"})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := tasks.Task(t.Context(), i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestClientReusesConnections runs waves of requests at once. The transport's default of two idle connections would open
// nearly as many connections as there are requests.
func TestClientReusesConnections(t *testing.T) {
	const waves, width = 20, 16
	tasks := tasksAt(t, HTTP(), serve(t), workloads.Params{"latency": "0s"})
	var opened atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) {
			if !c.Reused {
				opened.Add(1)
			}
		},
	})
	for range waves {
		var wg sync.WaitGroup
		for i := range width {
			wg.Go(func() {
				if _, err := tasks.Task(ctx, i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if n := opened.Load(); n == 0 || n > waves*width/4 {
		t.Errorf("%d requests, at most %d at once, opened %d connections", waves*width, width, n)
	}
}

// TestStopEndsRequests stops the server while one client waits for it and another one has an idle connection.
func TestStopEndsRequests(t *testing.T) {
	before := goleak.IgnoreCurrent()
	addr, stop, err := Server{}.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	params, err := workloads.Resolve(HTTP().Info().Params, map[string]string{"latency": "1m"})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := HTTP().Prepare(t.Context(), workloads.Env{Params: params, Fixture: addr})
	if err != nil {
		t.Fatal(err)
	}
	sent, failed := make(chan struct{}), make(chan error)
	once := sync.OnceFunc(func() { close(sent) })
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { once() },
	})
	go func() {
		_, err := tasks.Task(ctx, 0)
		failed <- err
	}()
	<-sent
	for range 2 { // stop is idempotent
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if err := <-failed; err == nil {
		t.Error("a request was answered by a server that had stopped")
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a stopped server takes connections")
	}
	if err := tasks.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

// TestCancelReachesTheServer cancels a request that has arrived; both ends must let go of it.
func TestCancelReachesTheServer(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		answer(w, r, 24*time.Hour, "text/plain", func() []byte { return []byte("late") })
		close(left)
	}))
	defer srv.Close()
	tasks := tasksAt(t, HTTP(), srv.Listener.Addr().String(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := tasks.Task(ctx, 0)
		failed <- err
	}()
	<-arrived
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	<-left
}

func TestServerSurvivesRudeClients(t *testing.T) {
	addr := serve(t)
	for _, text := range []string{
		"",
		"GET /bytes/1/0",
		"GET /bytes/1/0/67108864/0 HTTP/1.1\r\nHost: x\r\n\r\n", // more than the socket's buffers hold
		"GET /bytes/1/0/10/60000000000 HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01 not HTTP\r\n\r\n",
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).SetLinger(0); err != nil { // close with a reset
			t.Fatal(err)
		}
		c.Close()
	}
	if _, err := tasksAt(t, HTTP(), addr, workloads.Params{"latency": "0s"}).Task(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestServerAnswers(t *testing.T) {
	h := newHandler()
	get := func(method, path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return rec
	}
	want := make([]byte, 100)
	workloads.Fill(want, workloads.Key(7, 3))
	if got := get("GET", "/bytes/7/3/100/0"); !bytes.Equal(got.Body.Bytes(), want) || got.Header().Get("Content-Length") != "100" {
		t.Errorf("/bytes answers %v", got)
	}
	for range 2 { // the second one is from the cache
		var d document
		if err := json.Unmarshal(get("GET", "/records/7/3/4/0").Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(makeDocument(workloads.Key(7, 3), 4), d); diff != "" {
			t.Error(diff)
		}
	}
	for path, status := range map[string]int{
		"/":                        http.StatusNotFound,
		"/bytes/1/0/10":            http.StatusNotFound,
		"/bytes/x/0/10/0":          http.StatusBadRequest,
		"/bytes/1/-1/10/0":         http.StatusBadRequest,
		"/bytes/1/0/67108865/0":    http.StatusBadRequest,
		"/bytes/1/0/1/60000000001": http.StatusBadRequest,
		"/records/1/0/100001/0":    http.StatusBadRequest,
		"/records/1/0/1/1s":        http.StatusBadRequest,
	} {
		if got := get("GET", path).Code; got != status {
			t.Errorf("GET %s: status %d, want %d", path, got, status)
		}
	}
	if got := get("POST", "/bytes/1/0/10/0").Code; got != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	one, err := json.Marshal(makeDocument(0, 10))
	if err != nil {
		t.Fatal(err)
	}
	c := cache{limit: 4 * len(one)}
	for key := range uint64(40) {
		want, err := json.Marshal(makeDocument(key, 10))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := c.document(key, 10); !bytes.Equal(got, want) {
				t.Fatalf("document %d is %s, want %s", key, got, want)
			}
		}
		total := 0
		for _, text := range c.texts {
			total += len(text)
		}
		if total != c.used || total > c.limit || len(c.texts) == 0 {
			t.Fatalf("%d documents of %d bytes, counted as %d, limit %d", len(c.texts), total, c.used, c.limit)
		}
	}
	if tiny := (&cache{limit: 1}); len(tiny.document(0, 1)) == 0 || tiny.used != 0 {
		t.Error("a document larger than the cache is kept, or not served")
	}
}

// TestWrongAnswers puts the clients before servers that do not keep to the specification.
func TestWrongAnswers(t *testing.T) {
	good := make([]byte, 100)
	workloads.Fill(good, workloads.Key(1, 0))
	bad := bytes.Clone(good)
	bad[50] ^= 1
	for _, tc := range []struct {
		name   string
		w      workloads.Workload
		params workloads.Params
		status int
		body   string
		want   string
		data   bool // the error wraps ErrData
	}{
		{"one bit", HTTP(), workloads.Params{"size": "100"}, 200, string(bad), "offset 48", true},
		{"short", HTTP(), workloads.Params{"size": "101"}, 200, string(good), "100 bytes where 101", true},
		{"long", HTTP(), workloads.Params{"size": "99"}, 200, string(good), "100 bytes where 99", true},
		{"status", HTTP(), workloads.Params{"size": "100"}, 500, "out of order\x1b[2J", `500 Internal Server Error: "out of order\x1b[2J"`, false},
		{"redirect", HTTP(), workloads.Params{"size": "100"}, 302, "", "302 Found", false},
		{"no JSON", FetchParse(), workloads.Params{"records": "1"}, 200, "<html>", "invalid character", true},
		{"count", FetchParse(), workloads.Params{"records": "2"}, 200, `{"records":[{}]}`, "1 records where 2", true},
		{"tag", FetchParse(), workloads.Params{"records": "1"}, 200, `{"records":[{"tags":["mauve"]}]}`, `unknown tag "mauve"`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(len(tc.body)))
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			defer srv.Close()
			_, err := tasksAt(t, tc.w, srv.Listener.Addr().String(), tc.params).Task(t.Context(), 0)
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, workloads.ErrData) != tc.data {
				t.Errorf("error is %v, want one that says %q", err, tc.want)
			}
		})
	}
}

// TestSummaryHasAllFields changes one field at a time: a result that the digest did not depend on would not be checked.
func TestSummaryHasAllFields(t *testing.T) {
	base := func() document { return makeDocument(1, 3) }
	digestsOf := func(d document) [2]uint64 {
		a, err := aggregate(d)
		if err != nil {
			t.Fatal(err)
		}
		return [2]uint64{d.fold(0), a.fold(0)}
	}
	want := digestsOf(base())
	for name, change := range map[string]func(*record){
		"id":       func(r *record) { r.ID++ },
		"name":     func(r *record) { r.Name += "a" },
		"price":    func(r *record) { r.Price += 1e6 },
		"active":   func(r *record) { r.Active = !r.Active },
		"quantity": func(r *record) { r.Quantity += 1; r.Active = true },
		"tags":     func(r *record) { r.Tags = append(r.Tags, "red") },
		"x":        func(r *record) { r.Position.X += 0.5 },
		"y":        func(r *record) { r.Position.Y += 0.5 },
	} {
		d := base()
		change(&d.Records[1])
		for k, got := range digestsOf(d) {
			if got == want[k] {
				t.Errorf("a change of %s does not change the digest of %s", name, [...]string{"json", "fetch-parse"}[k])
			}
		}
	}
}
