package builtin

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"
)

// client gets bodies from the fixture "http". Safe for concurrent use. Each process has one.
type client struct {
	http *http.Client
	base string // "http://127.0.0.1:port"
}

// newClient checks the address and returns a client that opens as many connections as there are requests at once and
// uses each one again: a limit would turn the strategy's parallelism into the client's, and connections that were
// closed after use would fill the machine's ports with TIME_WAIT.
func newClient(workload, addr string) (*client, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("%s needs the fixture \"http\", a host:port address: %w", workload, err)
	}
	return &client{
		base: "http://" + addr,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:               nil, // the server is on this machine, whatever HTTP_PROXY says
				DialContext:         dial,
				MaxIdleConns:        0, // no limit
				MaxIdleConnsPerHost: math.MaxInt32,
				MaxConnsPerHost:     0,    // no limit
				IdleConnTimeout:     0,    // a pause between batches must not close connections
				DisableCompression:  true, // bytes on the wire are the bytes of the body
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// dial connects so that closing resets the connection: nothing is under way when a client closes, and a run starts
// thousands of clients, each of whose connections would otherwise keep a port for a minute more.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // refused, the connection still works
	}
	return c, err
}

// get reads the body of a path into buf, which it grows as needed, and returns it. The connection is free again when it
// returns.
func (c *client) get(ctx context.Context, kind string, seed uint64, i, size int, latency time.Duration, buf []byte) ([]byte, error) {
	path := "/" + kind + "/" + strconv.FormatUint(seed, 10) + "/" + strconv.Itoa(i) + "/" + strconv.Itoa(size) + "/" +
		strconv.FormatInt(int64(latency), 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return buf, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return buf, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return buf, fmt.Errorf("GET %s: %s: %q", path, res.Status, text)
	}
	n := res.ContentLength
	if n < 0 || n > maxBody {
		return buf, fmt.Errorf("GET %s: content length %d", path, n)
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(res.Body, buf); err != nil {
		return buf, fmt.Errorf("GET %s: %w", path, err)
	}
	return buf, nil
}

// maxBody bounds what a client takes from whatever answers at the address: 100,000 records are about 20 MB.
const maxBody = 256 << 20

func (c *client) close() { c.http.CloseIdleConnections() }
