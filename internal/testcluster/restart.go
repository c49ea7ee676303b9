package testcluster

import (
	"fmt"
	"testing"
)

// restartOrder is what test/cluster reads from its standard input.
const restartOrder = "restart API server"

// StartOwn boots a cluster that no other test has, for what others would suffer from. It is stopped when the test ends.
func StartOwn(t testing.TB) *Cluster {
	t.Helper()
	started, err := launch()
	if err != nil {
		t.Fatalf("Start a cluster for this test: %v", err)
	}
	t.Cleanup(func() {
		if err := started.stop(); err != nil {
			t.Errorf("Stop the cluster of this test: %v", err)
		}
	})
	c, err := connect(started)
	if err != nil {
		t.Fatalf("Connect to the cluster of this test: %v", err)
	}
	return c
}

// RestartAPIServer kills the API server of a cluster that is the test's own and starts it again. It returns at once; back returns when
// the API server is ready.
func (c *Cluster) RestartAPIServer() (back func() error, err error) {
	if _, err := fmt.Fprintln(c.program.lifeline, restartOrder); err != nil {
		return nil, fmt.Errorf("order a restart: %w", err)
	}
	return func() error {
		_, err := c.program.confirmed.ReadString('\n')
		return err
	}, nil
}
