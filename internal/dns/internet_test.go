package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// behaviour is how a fake server fails.
type behaviour int

const (
	healthy behaviour = iota
	silent            // takes queries, never answers
	absent            // nothing listens at its address
	servfail
	refused
	notOurs       // answers without the authoritative flag
	udpCut        // truncates everything over UDP
	udpCutNoTCP   // and drops TCP
	otherQuestion // answers what nobody asked
	noIPv6        // NOTIMP for AAAA
	noIPv4        // SERVFAIL for A
	stuck         // a recursor: SERVFAIL for what it does not know, as when it reaches no server of the zone
)

// fakeServer is a real DNS server on loopback, over UDP and TCP, that serves a zone.
type fakeServer struct {
	origin    string // authoritative for it; "" = a recursor, which knows its records and nothing else
	records   string // zone file lines, relative to origin; "NS" lines below origin make it refer
	behaviour behaviour
}

// internet maps the addresses of made-up servers ("198.51.100.1:53") to fake ones.
type internet struct {
	ports map[string]string
	slow  map[string]bool
}

func newInternet(t *testing.T, servers map[string]fakeServer) internet {
	t.Helper()
	i := internet{ports: map[string]string{}, slow: map[string]bool{}}
	for addr, s := range servers {
		if s.behaviour == absent {
			i.ports[withPort(addr)] = closedPort(t)
			continue
		}
		i.ports[withPort(addr)] = s.start(t)
		i.slow[withPort(addr)] = s.behaviour == silent
	}
	return i
}

func (i internet) exchange(ctx context.Context, proto, server string, query *dns.Msg) (*dns.Msg, error) {
	timeout := 10 * time.Second // a busy machine must not look like a dead server
	if i.slow[server] {
		timeout = 30 * time.Millisecond
	}
	addr, ok := i.ports[server]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: proto, Err: net.UnknownNetworkError("no such server in this test: " + server)}
	}
	return network{timeout: timeout}.exchange(ctx, proto, addr, query)
}

func closedPort(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().String()
}

// start serves on one loopback port until the test ends.
func (s fakeServer) start(t *testing.T) string {
	t.Helper()
	zone := s.parse(t)
	udp, tcp := listenBoth(t)
	for _, server := range []*dns.Server{
		{PacketConn: udp, Handler: s.handler(zone, false)},
		{Listener: tcp, Handler: s.handler(zone, true)},
	} {
		ready := make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		go func() { _ = server.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return udp.LocalAddr().String()
}

func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err := net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		_ = udp.Close()
	}
	t.Fatal("no port is free over both UDP and TCP")
	return nil, nil
}

func (s fakeServer) parse(t *testing.T) []dns.RR {
	t.Helper()
	var all []dns.RR
	p := dns.NewZoneParser(strings.NewReader(s.records), dns.Fqdn(s.origin), "")
	p.SetDefaultTTL(3600)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		all = append(all, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (s fakeServer) handler(zone []dns.RR, tcp bool) dns.HandlerFunc {
	return func(w dns.ResponseWriter, query *dns.Msg) {
		reply := s.reply(zone, query, tcp)
		switch {
		case reply != nil:
			_ = w.WriteMsg(reply)
		case tcp:
			_ = w.Close()
		}
	}
}

func (s fakeServer) reply(zone []dns.RR, query *dns.Msg, tcp bool) *dns.Msg {
	m := new(dns.Msg).SetReply(query)
	q := query.Question[0]
	switch s.behaviour {
	case silent:
		return nil
	case servfail:
		return m.SetRcode(query, dns.RcodeServerFailure)
	case refused:
		return m.SetRcode(query, dns.RcodeRefused)
	case noIPv6:
		if q.Qtype == dns.TypeAAAA {
			return m.SetRcode(query, dns.RcodeNotImplemented)
		}
	case noIPv4:
		if q.Qtype == dns.TypeA {
			return m.SetRcode(query, dns.RcodeServerFailure)
		}
	case otherQuestion:
		m.Question[0].Name = "other.example.org."
		return m
	case udpCut, udpCutNoTCP:
		if !tcp {
			m.Authoritative, m.Truncated = true, true
			return m
		}
		if s.behaviour == udpCutNoTCP {
			return nil
		}
	}
	s.answer(m, zone, q)
	if s.behaviour == notOurs {
		m.Authoritative = false
	}
	return m
}

// answer is what an authoritative server does: refer below a cut, else answer or deny.
func (s fakeServer) answer(m *dns.Msg, zone []dns.RR, q dns.Question) {
	name, origin := strings.ToLower(q.Name), dns.Fqdn(s.origin)
	if s.origin != "" && !dns.IsSubDomain(origin, name) {
		m.Rcode = dns.RcodeRefused
		return
	}
	for _, rr := range zone {
		cut := strings.ToLower(rr.Header().Name)
		if rr.Header().Rrtype == dns.TypeNS && s.origin != "" && cut != origin && dns.IsSubDomain(cut, name) {
			m.Ns = append(m.Ns, rr)
		}
	}
	if len(m.Ns) > 0 {
		for _, rr := range zone {
			if rr.Header().Rrtype == dns.TypeA && slices.ContainsFunc(m.Ns, func(ns dns.RR) bool { return dns.IsDuplicate(ns, delegationTo(ns, rr)) }) {
				m.Extra = append(m.Extra, rr)
			}
		}
		return
	}
	m.Authoritative = s.origin != ""
	known := name == origin
	for _, rr := range zone {
		if !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		known = true
		if rr.Header().Rrtype == q.Qtype || rr.Header().Rrtype == dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
		}
	}
	switch {
	case !known && s.behaviour == stuck:
		m.Rcode = dns.RcodeServerFailure
	case !known:
		m.Rcode = dns.RcodeNameError
	}
}

// delegationTo is the record ns with server as its target.
func delegationTo(ns, server dns.RR) dns.RR {
	return &dns.NS{Hdr: *ns.Header(), Ns: server.Header().Name}
}

func addrs(all ...string) []netip.Addr {
	out := make([]netip.Addr, len(all))
	for i, a := range all {
		out[i] = netip.MustParseAddr(a)
	}
	return out
}
