package dns

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzReadAnswer feeds replies as they come from the network: nothing that a server sends may break the check, lead it out of
// the zone that was asked about, or make it believe records of other names.
func FuzzReadAnswer(f *testing.F) {
	seed := func(lines string, rcode int, authoritative bool) {
		m := new(dns.Msg).SetQuestion("shop.example.com.", dns.TypeA)
		m.Response, m.Rcode, m.Authoritative = true, rcode, authoritative
		p := dns.NewZoneParser(strings.NewReader(lines), "example.com.", "")
		p.SetDefaultTTL(60)
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			if rr.Header().Rrtype == dns.TypeNS {
				m.Ns = append(m.Ns, rr)
				continue
			}
			m.Answer = append(m.Answer, rr)
		}
		data, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, authoritative)
	}
	seed("shop A 203.0.113.7\nshop AAAA 2001:db8::7\nshop AAAA ::ffff:192.0.2.1", dns.RcodeSuccess, true)
	seed("shop CNAME .\nother A 203.0.113.7", dns.RcodeSuccess, true)
	seed("shop NS ns.shop\n@ NS ns1\ncom. NS evil.", dns.RcodeSuccess, false)
	seed("", dns.RcodeNameError, true)
	seed("", 15, true)
	f.Fuzz(func(t *testing.T, data []byte, authoritative bool) {
		m := new(dns.Msg)
		if m.Unpack(data) != nil {
			return
		}
		const name, zone = "shop.example.com", "example.com"
		a := readAnswer(m, name, zone, authoritative)
		switch {
		case a.outcome == referral && (a.closer == zone || !within(a.closer, zone) || !within(name, a.closer) || len(a.servers) == 0):
			t.Errorf("a referral from %s to %q for %s", zone, a.closer, name)
		case a.outcome == unread && a.problem == "":
			t.Error("unread without a reason")
		case a.outcome != found && (len(a.addrs) > 0 || a.cname != ""):
			t.Errorf("outcome %d with %v, %q", a.outcome, a.addrs, a.cname)
		}
		h := hop{name: name, replies: []reply{{server: "ns1.example.net", answer: a}}}
		h.zone.name = zone
		report := judge(trail{hops: []hop{h}}, Target{Addresses: addrs("203.0.113.7")})
		if report.OK && (len(a.addrs) != 1 || a.addrs[0].String() != "203.0.113.7") {
			t.Errorf("%v, %q passes for the wanted address", a.addrs, a.cname)
		}
		for _, f := range report.Findings {
			if !strings.HasPrefix(f.Message, name+": ") {
				t.Errorf("finding without its host: %q", f.Message)
			}
		}
	})
}
