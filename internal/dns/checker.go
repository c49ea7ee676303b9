package dns

import (
	"context"
	"fmt"
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

// ParseServers reads a list of "ip:port" or "ip", separated by commas or blanks, as in an environment variable. An empty list
// gives nil.
func ParseServers(list string) ([]string, error) {
	var servers []string
	for s := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		addr, err := netip.ParseAddrPort(withPort(s))
		if err != nil || addr.Port() == 0 {
			return nil, fmt.Errorf("%q is not the address of a DNS server: write ip or ip:port, such as 10.0.0.2:53 or [fd00::2]:53", s)
		}
		servers = append(servers, addr.String())
	}
	return servers, nil
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

// Check compares the records of host with what want asks for. It takes as long as ctx allows at most, and sends nothing when
// want is empty.
func (c *Checker) Check(ctx context.Context, host string, want Target) Report {
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
