package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// zoneFile is everything the name server knows, in the syntax of RFC 1035. README.md says what each name is good for. The
// addresses outside 192.0.2.10 belong to nobody's cluster.
const zoneFile = `
$TTL 60
$ORIGIN acme.example.
@            SOA   ns1 hostmaster 2026010101 3600 600 604800 60
@            NS    ns1
@            A     192.0.2.10
@            CAA   0 issue "letsencrypt.org"
ns1          A     127.0.0.1
shop         A     192.0.2.10
www          CNAME shop
shop2        A     192.0.2.10
medusa       A     192.0.2.10
*.stores     A     192.0.2.10
dual         A     192.0.2.10
dual         AAAA  2001:db8::10
v6           AAAA  2001:db8::10
v6-wrong     A     192.0.2.10
v6-wrong     AAAA  2001:db8::dead
wrong        A     203.0.113.99
partly       A     192.0.2.10
partly       A     203.0.113.99
old          CNAME wrong
dangling     CNAME nowhere
loop-a       CNAME loop-b
loop-b       CNAME loop-a
text         TXT   "there is no address here"
other-ca     A     192.0.2.10
other-ca     CAA   0 issue "ca.example.net"
no-ca        A     192.0.2.10
no-ca        CAA   0 issue ";"
$ORIGIN example.test.
@            SOA   ns1 hostmaster 2026010101 3600 600 604800 60
@            NS    ns1
@            A     192.0.2.10
ns1          A     127.0.0.1
shop         A     192.0.2.10
www          CNAME @
*.stores     A     192.0.2.10
`

// The names that do not answer as names should.
const (
	// servfailName always answers SERVFAIL, as a resolver does for a zone with broken DNSSEC.
	servfailName = "servfail.acme.example."
	// silentName never answers.
	silentName = "silent.acme.example."
)

// nameServer is an authoritative server for the zones of zoneFile on one loopback port, UDP and TCP.
type nameServer struct {
	address string
	zones   map[string]dns.RR   // apex -> SOA
	records map[string][]dns.RR // lower-case owner name -> records
	servers []*dns.Server
	ended   chan error
}

// startNameServer starts serving on a free port.
func startNameServer() (*nameServer, error) {
	s := &nameServer{zones: map[string]dns.RR{}, records: map[string][]dns.RR{}, ended: make(chan error, 2)}
	parser := dns.NewZoneParser(strings.NewReader(zoneFile), ".", "zone file")
	for rr, more := parser.Next(); more; rr, more = parser.Next() {
		name := strings.ToLower(rr.Header().Name)
		s.records[name] = append(s.records[name], rr)
		if rr.Header().Rrtype == dns.TypeSOA {
			s.zones[name] = rr
		}
	}
	if err := parser.Err(); err != nil {
		return nil, fmt.Errorf("parse zone file: %w", err)
	}
	udp, tcp, err := listenBoth()
	if err != nil {
		return nil, err
	}
	s.address = tcp.Addr().String()
	for _, server := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { s.ended <- server.ActivateAndServe() }()
		<-started
		s.servers = append(s.servers, server)
	}
	return s, nil
}

// stop ends both servers and waits for them.
func (s *nameServer) stop() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown(), <-s.ended)
	}
	return errors.Join(errs...)
}

// ServeDNS answers one query.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	answer := s.answer(query)
	if answer == nil {
		return
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size := dns.MinMsgSize
		if edns := query.IsEdns0(); edns != nil {
			size = int(edns.UDPSize())
		}
		answer.Truncate(size)
	}
	// A client that has gone away has no use for the error either.
	_ = w.WriteMsg(answer)
}

// answer decides what to say to a query; nil is to say nothing.
func (s *nameServer) answer(query *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(query)
	if len(query.Question) != 1 || query.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeNotImplemented
		return m
	}
	question := query.Question[0]
	name := strings.ToLower(question.Name)
	switch name {
	case silentName:
		return nil
	case servfailName:
		m.Rcode = dns.RcodeServerFailure
		return m
	}
	soa := s.zoneOf(name)
	if soa == nil {
		m.Rcode = dns.RcodeRefused
		return m
	}
	m.Authoritative = true
	// Following an alias ends where a name repeats, as real servers do.
	for seen := map[string]bool{}; !seen[name]; {
		seen[name] = true
		records, exists := s.lookup(name)
		alias := ""
		for _, rr := range records {
			switch {
			case rr.Header().Rrtype == question.Qtype || question.Qtype == dns.TypeANY:
				m.Answer = append(m.Answer, rr)
			case rr.Header().Rrtype == dns.TypeCNAME:
				m.Answer = append(m.Answer, rr)
				alias = strings.ToLower(rr.(*dns.CNAME).Target)
			}
		}
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
		if alias == "" || s.zoneOf(alias) == nil {
			break
		}
		name = alias
	}
	if len(m.Answer) == 0 || m.Rcode == dns.RcodeNameError {
		m.Ns = []dns.RR{soa}
	}
	return m
}

// zoneOf returns the SOA record of the zone a name is in, or nil.
func (s *nameServer) zoneOf(name string) dns.RR {
	for apex, soa := range s.zones {
		if dns.IsSubDomain(apex, name) {
			return soa
		}
	}
	return nil
}

// lookup returns the records of a name, made from the closest wildcard if it has none of its own, and whether the name
// exists: a name also does if there is one below it.
func (s *nameServer) lookup(name string) ([]dns.RR, bool) {
	if records, found := s.records[name]; found {
		return records, true
	}
	for other := range s.records {
		if dns.IsSubDomain(name, other) {
			return nil, true
		}
	}
	parent := name
	for {
		_, rest, found := strings.Cut(parent, ".")
		if !found || rest == "" {
			return nil, false
		}
		parent = rest
		wildcard, found := s.records["*."+parent]
		if !found {
			continue
		}
		var records []dns.RR
		for _, rr := range wildcard {
			rr = dns.Copy(rr)
			rr.Header().Name = name
			records = append(records, rr)
		}
		return records, true
	}
}

// listenBoth opens one port number of 127.0.0.1 for UDP and TCP.
func listenBoth() (net.PacketConn, net.Listener, error) {
	const attempts = 20
	var err error
	for range attempts {
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			break
		}
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return udp, tcp, nil
		}
		// Another program has the port for UDP: another number.
		if closeErr := tcp.Close(); closeErr != nil {
			return nil, nil, fmt.Errorf("close port: %w", closeErr)
		}
	}
	return nil, nil, fmt.Errorf("find a port for the name server: %w", err)
}
