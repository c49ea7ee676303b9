package dns

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// outcome is what kind of answer a server gave.
type outcome int

const (
	unread   outcome = iota // no answer of use; see answer.problem
	found                   // records of the name
	noData                  // the name exists, but has no such record
	noName                  // the name does not exist
	referral                // ask the servers of a zone closer to the name
)

// answer is one server's answer about one name.
type answer struct {
	outcome outcome
	addrs   []netip.Addr
	cname   string
	ttl     uint32
	problem string // why it is unread
	lost    bool   // unread because no reply came at all
	closer  string // zone of a referral
	servers []nameServer

	gap, gapProblem string // the family of addresses that could not be read beside the others, and why
}

// readAnswer takes from a reply what it says about name as it stands in zone. An authoritative server must say that it is one.
// Records of other names are ignored: they are asked for where they belong.
func readAnswer(reply *dns.Msg, name, zone string, authoritative bool) answer {
	var a answer
	for _, rr := range reply.Answer {
		if canonical(rr.Header().Name) != name {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			if ip, ok := netip.AddrFromSlice(rr.A); ok {
				a.add(ip.Unmap(), rr.Hdr.Ttl)
			}
		case *dns.AAAA:
			if ip, ok := netip.AddrFromSlice(rr.AAAA); ok && !ip.Is4() {
				a.add(ip, rr.Hdr.Ttl)
			}
		case *dns.CNAME:
			a.cname, a.ttl, a.outcome = canonical(rr.Target), rr.Hdr.Ttl, found
		}
	}
	a.addrs = sorted(a.addrs)
	switch {
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return answer{problem: "answers " + rcode(reply.Rcode)}
	case authoritative && !reply.Authoritative:
		return refer(reply, name, zone)
	case a.outcome == found:
		return a
	case reply.Rcode == dns.RcodeNameError:
		return answer{outcome: noName}
	default:
		return answer{outcome: noData}
	}
}

func (a *answer) add(ip netip.Addr, ttl uint32) {
	if len(a.addrs) == 0 || ttl < a.ttl {
		a.ttl = ttl
	}
	a.addrs, a.outcome = append(a.addrs, ip), found
}

// refer reads a reply without the authoritative flag: a referral to a zone between zone and name, or the reply of a server that
// does not serve the zone.
func refer(reply *dns.Msg, name, zone string) answer {
	a := answer{outcome: referral}
	for _, rr := range reply.Ns {
		ns, ok := rr.(*dns.NS)
		cut := canonical(rr.Header().Name)
		if ok && cut != zone && within(cut, zone) && within(name, cut) && (a.closer == "" || a.closer == cut) {
			a.closer = cut
			a.servers = append(a.servers, nameServer{name: canonical(ns.Ns), addrs: glue(reply, canonical(ns.Ns), cut)})
		}
	}
	if a.closer == "" {
		return answer{problem: "does not serve " + zone}
	}
	return a
}

// glue returns the addresses that came with a referral. They count only for servers within the zone that is referred to: for
// others the referring server is no authority.
func glue(reply *dns.Msg, server, zone string) []string {
	if !within(server, zone) {
		return nil
	}
	return serverAddrs(reply.Extra, server)
}

func serverAddrs(rrs []dns.RR, server string) []string {
	var four, six []string
	for _, rr := range rrs {
		if canonical(rr.Header().Name) != server {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			if ip, ok := netip.AddrFromSlice(rr.A); ok {
				four = append(four, withPort(ip.Unmap().String()))
			}
		case *dns.AAAA:
			if ip, ok := netip.AddrFromSlice(rr.AAAA); ok {
				six = append(six, withPort(ip.String()))
			}
		}
	}
	return append(four, six...)
}

// merge joins the answers of one server to the A and the AAAA question. A server that knows a name but not the type AAAA may
// say anything about it (RFC 4074): what one answer proves, the other cannot take back.
func merge(four, six answer) answer {
	switch {
	case four.outcome == found && six.outcome == found:
		four.addrs = sorted(append(slices.Clone(four.addrs), six.addrs...))
		four.ttl = min(four.ttl, six.ttl)
		return four
	case four.outcome == found:
		four.gap, four.gapProblem = gapOf(typeAAAA, six)
		return four
	case six.outcome == found:
		six.gap, six.gapProblem = gapOf(typeA, four)
		return six
	case four.outcome == unread, six.outcome == noData:
		return four.orNoData(six)
	case six.outcome == unread:
		return six
	default:
		return four
	}
}

func gapOf(family string, a answer) (gap, problem string) {
	if a.outcome == unread {
		return family, a.problem
	}
	return "", ""
}

// orNoData lets an answer that proves the name win over one that denies it.
func (a answer) orNoData(other answer) answer {
	if a.outcome == noName && other.outcome == noData {
		return other
	}
	return a
}

// same tells that two servers say the same.
func (a answer) same(b answer) bool {
	return a.outcome == b.outcome && a.cname == b.cname && slices.Equal(a.addrs, b.addrs)
}

func canonical(name string) string { return spec.NormalHost(name) }

// within tells that name is zone or below it.
func within(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }

func rcode(code int) string {
	if text, ok := dns.RcodeToString[code]; ok {
		return text
	}
	return "an unknown code"
}
