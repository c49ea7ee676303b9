package chaos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// downtime is how long the restarted API server accepts no connection.
const downtime = time.Second

// gate is a TCP proxy in front of the API server. It simulates a restart: every connection breaks, new ones are refused for
// a while, then everything is as before. The API server itself is not restarted.
type gate struct {
	address, server string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	over     bool // it stays shut
	running  sync.WaitGroup
}

// newGate opens a gate in front of the server of a configuration.
func newGate(t *testing.T, config *rest.Config) *gate {
	t.Helper()
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: "127.0.0.1:0", server: server.Host, open: make(map[net.Conn]bool)}
	if err := g.listen(); err != nil {
		t.Fatalf("Open the gate: %v", err)
	}
	t.Cleanup(func() {
		g.mu.Lock()
		g.over = true // also when it is about to open again
		g.mu.Unlock()
		g.shut()
		g.running.Wait()
	})
	return g
}

// through is a configuration that reaches the API server through the gate.
func (g *gate) through(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Host = "https://" + g.address
	return config
}

func (g *gate) listen() error {
	listener, err := net.Listen("tcp", g.address)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return listener.Close()
	}
	g.listener, g.address = listener, listener.Addr().String()
	g.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			g.running.Go(func() { g.carry(client) })
		}
	})
	return nil
}

// carry connects a client to the server until one of them leaves, or the gate shuts.
func (g *gate) carry(client net.Conn) {
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		server = client // both ends are closed below
	}
	g.mu.Lock()
	g.open[client], g.open[server] = true, true
	g.mu.Unlock()
	end := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, conn := range []net.Conn{client, server} {
			delete(g.open, conn)
			_ = conn.Close() // it may be closed already
		}
	}
	defer end()
	if err != nil {
		return
	}
	g.running.Go(func() {
		defer end()
		_, _ = io.Copy(server, client) // ends with the connection
	})
	_, _ = io.Copy(client, server) // ends with the connection
}

// shut refuses new connections and breaks those that are open.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.listener.Close() // it may be closed already
	for conn := range g.open {
		_ = conn.Close() // it may be closed already
	}
}

// restart shuts the gate and opens it again after a while. It returns at once.
func (g *gate) restart() {
	g.shut()
	g.running.Go(func() {
		<-time.After(downtime)
		if err := g.listen(); err != nil {
			panic(fmt.Sprintf("open the gate again: %v", err)) // the port was ours a second ago
		}
	})
}

// TestSimulatedRestart lets the API server go away at a write and come back a second later.
func TestSimulatedRestart(t *testing.T) {
	t.Parallel()
	newBench(t, testcluster.Start(t)).tryAll(t, func(o operation, want reference) []point {
		if !full() && o.number != 1 {
			return nil
		}
		var out []point
		for _, n := range o.sample(len(want.writes)) {
			out = append(out, point{fmt.Sprintf("write-%02d", n), func(tr *trial) {
				g := newGate(tr.T, tr.cluster.RESTConfig)
				tr.restart(n, g.through(tr.cluster.RESTConfig), func() (func() error, error) {
					g.restart()
					return func() error { return nil }, nil
				})
			}})
		}
		return out
	})
}

// TestRestart kills the API server of a cluster of its own at a write, and starts it again. Its points share that API server, so they
// run one after the other, and even a full run tries but some of them.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := newBench(t, testcluster.StartOwn(t))
	b.serial = true
	b.tryAll(t, func(o operation, want reference) []point {
		if !full() && o.number != 1 {
			return nil
		}
		var out []point
		for _, n := range o.sample(len(want.writes)) {
			if full() && n%6 != o.number {
				continue
			}
			out = append(out, point{fmt.Sprintf("write-%02d", n), func(tr *trial) {
				tr.restart(n, b.cluster.RESTConfig, b.cluster.RestartAPIServer)
			}})
		}
		return out
	})
}

// restart tries one point: the API server goes away with the n-th write, which may or may not have arrived. goAway begins that, and
// returns what waits until it is back.
func (tr *trial) restart(n int, config *rest.Config, goAway func() (back func() error, err error)) {
	tr.Helper()
	back := func() error { return nil }
	w := &wire{counts: storeWrites, at: n}
	w.disturb = func(_ request, req *http.Request, send http.RoundTripper) (*http.Response, error) {
		var err error
		if back, err = goAway(); err != nil {
			return nil, err
		}
		return send.RoundTrip(req)
	}
	failure := tr.subject.operate(tr.Context(), w.attach(config), tr.verb, tr.slot.whileLocked())
	tr.slot.take()
	tr.must("wait for the API server", back())
	at, reached := w.hit()
	if !reached {
		tr.Fatalf("The operation ended before write %d: %v", n, failure)
	}
	var step *storekit.StepError
	if failure != nil && !errors.As(failure, &step) {
		tr.Errorf("a failed operation must be a StepError: %v", failure)
	}
	left := tr.glance()
	tr.survive(left, tr.announced(left, 0))
	tr.done("restart at write %d: %s; %s", n, at, outcome(failure))
}
