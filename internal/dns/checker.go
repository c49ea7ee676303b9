package dns

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Options says whom a [Checker] asks.
type Options struct {
	// Servers are asked for everything and believed, each an "ip:port" or an "ip" (port 53). They are for split-horizon and
	// air-gapped networks. None (the default): the authoritative servers of each zone.
	Servers []string
	// Recursors find the authoritative servers, and stand in for them where port 53 is blocked. Default those of
	// /etc/resolv.conf.
	Recursors []string
	// Timeout bounds one try of one exchange, default 2 s. A question is tried twice.
	Timeout time.Duration
}

// Checker checks host names. It is safe for concurrent use.
type Checker struct {
	servers   []nameServer
	recursors func() []string
	wire      exchanger
}

// New returns a checker. It reads and asks nothing yet.
func New(o Options) *Checker {
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	c := &Checker{wire: network{timeout: o.Timeout}, recursors: systemRecursors}
	for _, s := range o.Servers {
		addr := withPort(s)
		c.servers = append(c.servers, nameServer{name: addr, addrs: []string{addr}})
	}
	if len(o.Recursors) > 0 {
		all := make([]string, len(o.Recursors))
		for i, r := range o.Recursors {
			all[i] = withPort(r)
		}
		c.recursors = func() []string { return all }
	}
	return c
}

func withPort(server string) string {
	bare := server
	if strings.HasPrefix(server, "[") && strings.HasSuffix(server, "]") {
		bare = server[1 : len(server)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		return net.JoinHostPort(addr.String(), "53")
	}
	return server
}

// limit bounds a check: nobody waits longer for a plan because name servers are dead.
const limit = 10 * time.Second

// Check compares the records of host with what want asks for. It ends with ctx, after ten seconds at most, and sends nothing
// when want is empty.
func (c *Checker) Check(ctx context.Context, host string, want Target) Report {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	host, want = spec.NormalHost(host), want.normal()
	if want.empty() {
		return Report{Confidence: ConfidenceNone, Findings: []Finding{{
			Code: CodeNoTarget, Severity: Warning,
			Message: host + ": the cluster has no public address yet, so there is nothing to point the host at. Apply again once its ingress controller has one.",
		}}}
	}
	r := c.reader()
	seen := r.follow(ctx, host)
	if len(want.Addresses) == 0 && !seen.passes(want.CNAME) {
		want.aliases = r.follow(ctx, want.CNAME).addresses()
	}
	return judge(seen, want)
}
