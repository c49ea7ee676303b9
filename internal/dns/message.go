package dns

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Every message names the host, the record, what was found and what was expected, which server said so, and the next step. They
// are read one at a time, in a terminal.

const next = "The next plan shows whether it is right."

func (v *verdict) zoneMissing() string {
	z := v.host.zone
	return fmt.Sprintf("%s: %s not found: zone %s has no name servers (asked %s): the domain is not registered, has expired or is not delegated. "+
		"Ask your registrar; once the zone is there, add %s. %s", v.host.name, v.types(), z.name, strings.Join(z.asked, ", "), v.wanted(), next)
}

func (v *verdict) unreadable(h hop) string {
	return fmt.Sprintf("%s: %s could not be read, which says nothing about it: %s. Expected %s. "+
		"Check the name servers of zone %s and the way to them (port 53). %s", v.host.name, v.types(), problems(h), v.wanted(), h.zone.name, next)
}

func (v *verdict) disagree(h hop) string {
	var said []string
	for _, r := range h.answered() {
		said = append(said, fmt.Sprintf("%s says %s", r.server, r.answer.describe()))
	}
	about := ""
	if h.name != v.host.name {
		about = " about " + h.name
	}
	return fmt.Sprintf("%s: name servers disagree%s: %s. Expected %s. Fix the server that is behind, or wait until it has the zone%s. %s",
		v.host.name, about, strings.Join(said, "; "), v.wanted(), wait(h), next)
}

func (v *verdict) cnameAtApex() string {
	return fmt.Sprintf("%s: CNAME found %q at %s; the name of a zone cannot be a CNAME. Replace it by %s%s. %s",
		v.host.name, v.host.cname(), v.servers(v.host), v.wanted(), wait(v.host), next)
}

func (v *verdict) cnameBesideOther() string {
	return fmt.Sprintf("%s: CNAME %q and %s found at the same name at %s; nothing may stand beside a CNAME, and visitors get either. Replace them by %s%s. %s",
		v.host.name, v.host.cname(), describe(v.host.addresses()), v.servers(v.host), v.wanted(), wait(v.host), next)
}

func (v *verdict) endless(how string) string {
	names := make([]string, len(v.trail.hops), len(v.trail.hops)+1)
	for i, h := range v.trail.hops {
		names[i] = h.name
	}
	names = append(names, v.trail.last().cname())
	return fmt.Sprintf("%s: CNAME found %q at %s; it %s (%s). Replace it by %s%s. %s",
		v.host.name, v.host.cname(), v.servers(v.host), how, strings.Join(names, " -> "), v.wanted(), wait(v.host), next)
}

func (v *verdict) missingName() string {
	return fmt.Sprintf("%s: %s not found: the name does not exist at %s. Add %s%s. %s",
		v.host.name, v.types(), v.servers(v.host), v.wanted(), v.place(), next)
}

func (v *verdict) missingRecord() string {
	return fmt.Sprintf("%s: %s not found: the name exists at %s, but without an address. Add %s%s. %s",
		v.host.name, v.types(), v.servers(v.host), v.wanted(), v.place(), next)
}

func (v *verdict) missingFamily(family string) string {
	return fmt.Sprintf("%s: %s not found at %s; %s visitors miss the store. Add %s%s. %s",
		v.host.name, family, v.servers(v.host), protocol(family), v.lines(v.want.of(family)), v.place(), next)
}

func (v *verdict) wrongAddress(family string, c comparison) string {
	reach := ""
	for _, a := range c.wrong {
		if isPrivate(a) {
			reach = ", which the internet cannot reach"
		}
	}
	return fmt.Sprintf("%s: %s found %s at %s%s; change it to %s%s. %s",
		v.host.name, family, list(c.got), v.servers(v.host), reach, v.lines(c.wanted), wait(v.host), next)
}

func (v *verdict) mixedAddresses(family string, c comparison) string {
	return fmt.Sprintf("%s: %s %s is correct, but %s exists beside it at %s: some visitors go there. Delete %s%s. %s",
		v.host.name, family, list(c.right), list(c.wrong), v.servers(v.host), v.lines(c.wrong), wait(v.host), next)
}

func (v *verdict) furtherAddress(family string, c comparison) string {
	return fmt.Sprintf("%s: %s %s is correct and enough. The cluster also answers at %s: add %s to spread visitors.",
		v.host.name, family, list(c.right), list(c.absent), v.lines(c.absent))
}

func (v *verdict) strayAddress(family string, c comparison) string {
	effect := "IPv6 visitors and Let's Encrypt (which prefers IPv6) will miss your store"
	if family == typeA {
		effect = "IPv4 visitors will miss your store"
	}
	before := ""
	if right := compare(v.host.addresses(), v.want.Addresses).right; len(right) > 0 {
		before = describe(right) + " is correct, but "
	}
	return fmt.Sprintf("%s: %s%s %s exists at %s and points elsewhere; %s. Delete the %s record%s. %s",
		v.host.name, before, family, list(c.got), v.servers(v.host), effect, family, wait(v.host), next)
}

func (v *verdict) changeCNAME() string {
	return fmt.Sprintf("%s: CNAME found %q at %s; change it to %q%s. %s",
		v.host.name, v.host.cname(), v.servers(v.host), v.want.CNAME+".", wait(v.host), next)
}

func (v *verdict) replaceCNAME() string {
	leads := "does not exist"
	if addrs := v.trail.last().addresses(); len(addrs) > 0 {
		leads = "leads to " + list(addrs)
	}
	return fmt.Sprintf("%s: CNAME found %q at %s, which %s; replace it by %s%s. %s",
		v.host.name, v.host.cname(), v.servers(v.host), leads, v.wanted(), wait(v.host), next)
}

func (v *verdict) replaceAddresses() string {
	return fmt.Sprintf("%s: %s found at %s; delete it and add %s%s. %s",
		v.host.name, describe(v.host.addresses()), v.servers(v.host), v.wanted(), wait(v.host), next)
}

func (v *verdict) noAliases() string {
	return fmt.Sprintf("%s: found %s at %s, but the addresses of the cluster's name %q could not be read to compare. Make sure that it has an address. %s",
		v.host.name, strings.Join(v.found(), ", "), v.servers(v.host), v.want.CNAME, next)
}

func (v *verdict) targetUnreadable() string {
	last := v.trail.last()
	return fmt.Sprintf("%s: CNAME leads to %q, which could not be read: %s. Check the name servers of zone %s and the way to them (port 53). %s",
		v.host.name, last.name, problems(last), last.zone.name, next)
}

func (v *verdict) targetElsewhere() string {
	last := v.trail.last()
	where := "has no address"
	if addrs := last.addresses(); len(addrs) > 0 {
		where = "has " + describe(addrs)
	}
	return fmt.Sprintf("%s: CNAME %q is correct, but %s %s at %s; expected %s. Point it at the cluster%s. %s",
		v.host.name, v.want.CNAME, last.name, where, v.servers(last), describe(v.want.Addresses), wait(last), next)
}

func (v *verdict) gapMessage(family string, r reply) string {
	return fmt.Sprintf("%s: %s could not be read at %s, which %s. Ask your DNS provider: resolvers may refuse the whole name for that. %s",
		v.host.name, family, r.server, r.answer.gapProblem, next)
}

func (v *verdict) recursor(h hop) string {
	var names []string
	for _, s := range h.zone.servers {
		names = append(names, s.name)
	}
	return fmt.Sprintf("%s: the name servers of %s (%s) do not answer here; port 53 may be blocked. Asked %s instead, which may give old values%s.",
		v.host.name, h.zone.name, strings.Join(names, ", "), v.servers(h), wait(h))
}

func (v *verdict) lame(h hop, r reply) string {
	advice := "Fix the delegation before issuing certificates."
	if len(h.zone.servers) == 0 {
		advice = "Fix that server, or do not ask it."
	}
	return fmt.Sprintf("%s: %s %s (lame); %d of %d name servers of %s answer. %s",
		v.host.name, r.server, r.answer.problemText(h.zone.name), len(h.answered()), len(h.replies), h.zone.name, advice)
}

func (a answer) problemText(zone string) string {
	if a.outcome == referral {
		return "does not serve " + zone
	}
	return a.problem
}

// types names the required record types.
func (v *verdict) types() string {
	var types []string
	for _, r := range v.Records {
		if len(types) == 0 || types[len(types)-1] != r.Type {
			types = append(types, r.Type)
		}
	}
	return strings.Join(types, " and ")
}

// wanted is the required records as lines of a zone file.
func (v *verdict) wanted() string {
	var lines []string
	for _, r := range v.Records {
		lines = append(lines, line(r))
	}
	return strings.Join(lines, " and ")
}

func line(r spec.Record) string {
	switch r.Type {
	case typeCNAME:
		return fmt.Sprintf("%s. CNAME %s.", r.Name, r.Value)
	case typeALIAS:
		return fmt.Sprintf("%s. ALIAS (ANAME, flattened CNAME) %s.", r.Name, r.Value)
	default:
		return fmt.Sprintf("%s. %s %s", r.Name, r.Type, r.Value)
	}
}

func (v *verdict) lines(addrs []netip.Addr) string {
	var lines []string
	for _, a := range addrs {
		lines = append(lines, line(spec.Record{Type: familyOf(a), Name: v.host.name, Value: a.String()}))
	}
	return strings.Join(lines, " and ")
}

// place is where a form of a DNS provider wants a new record.
func (v *verdict) place() string {
	return fmt.Sprintf(" (name %q in zone %s)", relative(v.host.name, v.host.zone.name), v.host.zone.name)
}

// servers are those that answered.
func (v *verdict) servers(h hop) string {
	var names []string
	for _, r := range h.answered() {
		names = append(names, r.server)
	}
	return strings.Join(names, ", ")
}

func problems(h hop) string {
	switch {
	case h.zone.problem != "":
		return h.zone.problem
	case h.zone.missing:
		return "zone " + h.zone.name + " has no name servers"
	}
	var all []string
	for _, r := range h.unanswered() {
		all = append(all, r.server+" "+r.answer.problemText(h.zone.name))
	}
	return strings.Join(all, "; ")
}

func (a answer) describe() string {
	switch {
	case a.cname != "":
		return fmt.Sprintf("CNAME %q", a.cname)
	case a.outcome == noName:
		return "that the name does not exist"
	case len(a.addrs) == 0:
		return "that there is no address"
	default:
		return describe(a.addrs)
	}
}

// describe is "A 192.0.2.1 and AAAA 2001:db8::1".
func describe(addrs []netip.Addr) string {
	var parts []string
	for _, family := range families() {
		if of := ofFamily(addrs, family); len(of) > 0 {
			parts = append(parts, family+" "+list(of))
		}
	}
	return strings.Join(parts, " and ")
}

func list(addrs []netip.Addr) string { return strings.Join(text(addrs), ", ") }

func protocol(family string) string {
	if family == typeAAAA {
		return "IPv6"
	}
	return "IPv4"
}

// wait is how long old answers live on.
func wait(h hop) string {
	ttl := h.ttl()
	if ttl == 0 {
		return ""
	}
	return fmt.Sprintf(" (TTL %d s: allow up to %d min)", ttl, (ttl+59)/60)
}
