package dns

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"
)

const maxCNAMEs = 8

// trail is everything that was read about a host: its name and those that its CNAMEs lead to.
type trail struct {
	hops []hop // the first is the host, the last one has the addresses
	end  trailEnd
}

type trailEnd int

const (
	endReached trailEnd = iota
	endLoop
	endTooLong
)

// hop is one name with what each server of its zone says about it.
type hop struct {
	name      string
	zone      zone
	replies   []reply
	recursive bool // the servers of the zone could not be reached: these are the recursors
}

type reply struct {
	server string
	answer answer
}

// follow reads host and the names that its CNAMEs lead to.
func (r *reader) follow(ctx context.Context, host string) trail {
	var t trail
	seen := map[string]bool{}
	for name := host; ; {
		seen[name] = true
		h := r.read(ctx, name)
		t.hops = append(t.hops, h)
		name = h.cname()
		switch {
		case name == "":
			return t
		case seen[name]:
			t.end = endLoop
			return t
		case len(t.hops) > maxCNAMEs:
			t.end = endTooLong
			return t
		}
	}
}

// read asks all servers of the zone that name is in.
func (r *reader) read(ctx context.Context, name string) hop {
	if len(r.servers) > 0 {
		return hop{name: name, zone: zone{name: registeredDomain(name)}, replies: r.askAll(ctx, r.servers, name, "", false)}
	}
	h := hop{name: name, zone: r.zoneOf(ctx, name)}
	for range maxCuts {
		if len(h.zone.servers) == 0 {
			return h
		}
		h.replies = r.askAll(ctx, h.zone.servers, name, h.zone.name, true)
		closer := slices.IndexFunc(h.replies, func(r reply) bool { return r.answer.outcome == referral })
		if closer < 0 {
			break
		}
		h.zone = r.refer(ctx, h.replies[closer].answer)
	}
	if lost := func(r reply) bool { return !r.answer.lost }; slices.ContainsFunc(h.replies, lost) {
		return h
	}
	// Nobody answers at all: more likely port 53 is blocked here than a whole zone is down. Recursors know which.
	stand := make([]nameServer, len(r.recursors))
	for i, addr := range r.recursors {
		stand[i] = nameServer{name: display(addr), addrs: []string{addr}}
	}
	replies := r.askAll(ctx, stand, name, "", false)
	if answered := func(r reply) bool { return r.answer.outcome != unread }; slices.ContainsFunc(replies, answered) {
		h.replies, h.recursive = slices.DeleteFunc(replies, func(r reply) bool { return r.answer.outcome == unread }), true
	}
	return h
}

func (r *reader) askAll(ctx context.Context, servers []nameServer, name, zone string, authoritative bool) []reply {
	replies := make([]reply, len(servers))
	var wait sync.WaitGroup
	for i, server := range servers {
		wait.Go(func() {
			replies[i] = reply{server: display(server.name), answer: r.askOne(ctx, server, name, zone, authoritative)}
		})
	}
	wait.Wait()
	return replies
}

// askOne asks one server for both families of addresses, at the first of its own addresses that gives an answer.
func (r *reader) askOne(ctx context.Context, server nameServer, name, zone string, authoritative bool) answer {
	a := answer{problem: "has no address", lost: true}
	for _, addr := range server.addrs {
		if a = r.askAddr(ctx, addr, name, zone, authoritative); a.outcome != unread {
			break
		}
	}
	return a
}

func (r *reader) askAddr(ctx context.Context, addr, name, zone string, authoritative bool) answer {
	one := func(qtype uint16) answer {
		msg, err := query(ctx, r.wire, addr, name, qtype, !authoritative)
		if err != nil {
			_, lost := err.(*noReplyError) //nolint:errorlint // query does not wrap it
			return answer{problem: err.Error(), lost: lost}
		}
		return readAnswer(msg, name, zone, authoritative)
	}
	four := one(dns.TypeA)
	if four.lost || four.outcome == referral || four.cname != "" {
		return four
	}
	return merge(four, one(dns.TypeAAAA))
}

// answered returns the replies that say something.
func (h hop) answered() []reply {
	return slices.DeleteFunc(slices.Clone(h.replies), func(r reply) bool { return r.answer.outcome == unread || r.answer.outcome == referral })
}

func (h hop) unanswered() []reply {
	return slices.DeleteFunc(slices.Clone(h.replies), func(r reply) bool { return r.answer.outcome != unread && r.answer.outcome != referral })
}

// cname is where the name leads, by the first server that says so.
func (h hop) cname() string {
	for _, r := range h.replies {
		if r.answer.cname != "" {
			return r.answer.cname
		}
	}
	return ""
}

// addresses is what all servers together say.
func (h hop) addresses() []netip.Addr {
	var all []netip.Addr
	for _, r := range h.replies {
		all = append(all, r.answer.addrs...)
	}
	return sorted(all)
}

// ttl is the longest time that anybody may keep an answer, in seconds.
func (h hop) ttl() uint32 {
	var longest uint32
	for _, r := range h.replies {
		longest = max(longest, r.answer.ttl)
	}
	return longest
}

func (h hop) outcome() outcome {
	best := unread
	for _, r := range h.answered() {
		switch {
		case r.answer.outcome == found:
			return found
		case best != noData:
			best = r.answer.outcome
		}
	}
	return best
}

// addresses is where the trail ends.
func (t trail) addresses() []netip.Addr {
	if t.end != endReached {
		return nil
	}
	return t.last().addresses()
}

func (t trail) host() hop { return t.hops[0] }
func (t trail) last() hop { return t.hops[len(t.hops)-1] }

// passes tells that the CNAMEs of the host lead through name.
func (t trail) passes(name string) bool {
	return slices.ContainsFunc(t.hops[1:], func(h hop) bool { return h.name == name })
}
