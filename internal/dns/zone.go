package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"
)

const maxCuts = 5 // zone cuts below the registered domain

// nameServer is one server of a zone, under the name that its delegation gives it.
type nameServer struct {
	name  string
	addrs []string // "ip:port", IPv4 first; one that answers is enough
}

// zone is a part of the name space with the servers that are authoritative for it.
type zone struct {
	name    string
	servers []nameServer
	missing bool     // no parent delegates it
	problem string   // why its servers could not be found
	asked   []string // the recursors that said so
}

// reader reads for one check. It asks every question once.
type reader struct {
	servers   []nameServer
	recursors []string
	wire      exchanger
	zones     map[string]zone // by registered domain
}

func (c *Checker) reader() *reader {
	return &reader{servers: c.servers, recursors: c.recursors(), wire: c.wire, zones: map[string]zone{}}
}

// zoneOf finds the zone of the registered domain of name: the highest cut below its public suffix. Cuts further down come as
// referrals.
func (r *reader) zoneOf(ctx context.Context, name string) zone {
	start := registeredDomain(name)
	if z, ok := r.zones[start]; ok {
		return z
	}
	z := r.findZone(ctx, start)
	r.zones[start] = z
	return z
}

func (r *reader) findZone(ctx context.Context, start string) zone {
	// Somebody else's suffix (github.io) is within a zone of theirs: its parents are looked at as well.
	for name := start; ; {
		reply, from, err := r.recurse(ctx, name, dns.TypeNS)
		if err != nil {
			return zone{name: start, problem: err.Error()}
		}
		if names := delegation(reply, name); len(names) > 0 {
			return r.locate(ctx, name, names)
		}
		_, parent, ok := strings.Cut(name, ".")
		if suffix, icann := publicsuffix.PublicSuffix(parent); !ok || !strings.Contains(parent, ".") || icann && suffix == parent {
			return zone{name: start, missing: true, asked: []string{from}}
		}
		name = parent
	}
}

func delegation(reply *dns.Msg, name string) []string {
	var names []string
	for _, rr := range reply.Answer {
		if ns, ok := rr.(*dns.NS); ok && canonical(rr.Header().Name) == name {
			names = append(names, canonical(ns.Ns))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// locate looks up the addresses of a zone's servers.
func (r *reader) locate(ctx context.Context, name string, names []string) zone {
	z := zone{name: name, servers: make([]nameServer, len(names))}
	var wait sync.WaitGroup
	for i, server := range names {
		wait.Go(func() { z.servers[i] = nameServer{name: server, addrs: r.addrsOf(ctx, server)} })
	}
	wait.Wait()
	return z
}

func (r *reader) addrsOf(ctx context.Context, server string) []string {
	var addrs []string
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, _, err := r.recurse(ctx, server, qtype)
		if err != nil {
			continue
		}
		addrs = append(addrs, serverAddrs(reply.Answer, server)...)
	}
	return addrs
}

// refer completes a referral.
func (r *reader) refer(ctx context.Context, a answer) zone {
	z := zone{name: a.closer, servers: a.servers}
	for i, s := range z.servers {
		if len(s.addrs) == 0 {
			z.servers[i].addrs = r.addrsOf(ctx, s.name)
		}
	}
	slices.SortFunc(z.servers, func(a, b nameServer) int { return strings.Compare(a.name, b.name) })
	return z
}

// recurse asks the recursors, one after the other, until one has an answer.
func (r *reader) recurse(ctx context.Context, name string, qtype uint16) (*dns.Msg, string, error) {
	if len(r.recursors) == 0 {
		return nil, "", errors.New("this machine has no DNS server configured")
	}
	var problems []string
	for _, addr := range r.recursors {
		reply, err := query(ctx, r.wire, addr, name, qtype, true)
		if err == nil && (reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError) {
			return reply, display(addr), nil
		}
		if err == nil {
			err = errors.New("answers " + rcode(reply.Rcode))
		}
		problems = append(problems, fmt.Sprintf("%s %v", display(addr), err))
	}
	return nil, "", errors.New(strings.Join(problems, "; "))
}

// display leaves out the port that everybody expects.
func display(server string) string {
	if host, port, err := net.SplitHostPort(server); err == nil && port == "53" {
		return host
	}
	return server
}
