package dns

import (
	"net/netip"
	"slices"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// judge compares what was read with what should be. It is pure.
func judge(t trail, want Target) Report {
	v := &verdict{trail: t, host: t.host(), want: want}
	v.Records = required(v.host.name, v.host.zone.name, want)
	v.confidence()
	v.judgeHost()
	v.judgeServers()
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() })
	v.OK = len(v.Records) > 0 && !slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Severity != Warning })
	return v.Report
}

type verdict struct {
	Report
	trail trail
	host  hop
	want  Target
}

func (s Severity) rank() int { return slices.Index([]Severity{Failure, Unknown, Warning}, s) }

func (v *verdict) confidence() {
	switch {
	case v.host.zone.missing:
		v.Confidence = ConfidenceLow
	case len(v.host.answered()) == 0:
		v.Confidence = ConfidenceNone
	case slices.ContainsFunc(v.trail.hops, func(h hop) bool { return h.recursive }):
		v.Confidence = ConfidenceLow
	default:
		v.Confidence = ConfidenceHigh
	}
}

func (v *verdict) judgeHost() {
	h, cname := v.host, v.host.cname()
	switch {
	case h.zone.missing:
		v.all(spec.RecordAdd, Failure, CodeMissingZone, v.zoneMissing())
	case len(h.answered()) == 0:
		v.all(spec.RecordUnknown, Unknown, CodeUnreadable, v.unreadable(h))
	case v.disagreement() != nil:
		v.all(spec.RecordFailure, Failure, CodeDisagreement, v.disagree(*v.disagreement()))
	case cname != "" && h.name == h.zone.name:
		v.all(spec.RecordFailure, Failure, CodeCNAMEAtApex, v.cnameAtApex())
	case cname != "" && len(h.addresses()) > 0:
		v.all(spec.RecordFailure, Failure, CodeCNAMEBesideOther, v.cnameBesideOther())
	case v.trail.end == endLoop:
		v.all(spec.RecordFailure, Failure, CodeCNAMELoop, v.endless("runs in a circle"))
	case v.trail.end == endTooLong:
		v.all(spec.RecordFailure, Failure, CodeCNAMETooLong, v.endless("takes more than 8 steps"))
	case cname == "" && len(h.addresses()) == 0 && h.outcome() == noName:
		v.all(spec.RecordAdd, Failure, CodeMissingName, v.missingName())
	case cname == "" && len(h.addresses()) == 0:
		v.all(spec.RecordAdd, Failure, CodeMissingRecord, v.missingRecord())
	case v.want.CNAME != "" && v.trail.passes(v.want.CNAME):
		v.judgeTarget()
	case v.want.CNAME != "" && len(v.want.Addresses) == 0:
		v.judgeAliases()
	case cname != "":
		v.judgeForeignCNAME()
	case v.Records[0].Type == typeCNAME:
		v.judgeInsteadOfCNAME()
	default:
		for _, family := range families() {
			v.judgeFamily(family)
		}
	}
}

// judgeTarget is for a host that leads to the wanted name, as it should. Where that name leads is checked as well: there it is
// not the owner of the host who has to act.
func (v *verdict) judgeTarget() {
	v.all(spec.RecordOK, "", "", "")
	last := v.trail.last()
	switch {
	case len(v.want.Addresses) == 0:
	case len(last.answered()) == 0:
		v.find(Unknown, CodeUnreadable, v.targetUnreadable())
	case !v.reached(last.addresses()):
		v.find(Failure, CodeBrokenTarget, v.targetElsewhere())
	}
}

// judgeAliases is for a host that has to give the same addresses as the wanted name (ALIAS, ANAME, a flattened CNAME). Load
// balancers show a part of their addresses at a time: one in common is enough.
func (v *verdict) judgeAliases() {
	got := v.trail.addresses()
	switch {
	case len(v.want.aliases) == 0:
		v.all(spec.RecordUnknown, Unknown, CodeBrokenTarget, v.noAliases())
	case slices.ContainsFunc(got, func(a netip.Addr) bool { return slices.Contains(v.want.aliases, a) }):
		v.all(spec.RecordOK, "", "", "")
	case v.host.cname() != "":
		v.judgeForeignCNAME()
	default:
		v.judgeInsteadOfCNAME()
	}
}

// judgeForeignCNAME is for a host that leads somewhere else. That is fine when it ends at the cluster all the same.
func (v *verdict) judgeForeignCNAME() {
	last := v.trail.last()
	switch {
	case len(last.answered()) == 0 && !last.zone.missing:
		v.all(spec.RecordUnknown, Unknown, CodeUnreadable, v.targetUnreadable())
	case v.reached(last.addresses()):
		v.all(spec.RecordOK, "", "", "")
	case v.Records[0].Type == typeCNAME:
		v.all(spec.RecordFailure, Failure, CodeWrongCNAME, v.changeCNAME())
	default:
		v.all(spec.RecordFailure, Failure, CodeWrongCNAME, v.replaceCNAME())
	}
}

// judgeInsteadOfCNAME is for a host with addresses where a CNAME or ALIAS is asked for. The right addresses will do.
func (v *verdict) judgeInsteadOfCNAME() {
	if v.reached(v.host.addresses()) {
		v.all(spec.RecordOK, "", "", "")
		return
	}
	v.all(spec.RecordFailure, Failure, CodeWrongAddress, v.replaceAddresses())
}

// judgeFamily is for a host with addresses where addresses are asked for.
func (v *verdict) judgeFamily(family string) {
	c := compare(ofFamily(v.host.addresses(), family), v.want.of(family))
	switch {
	case len(c.wanted) == 0 && len(c.got) == 0:
	case len(c.wanted) == 0:
		v.stray(family, c)
	case len(c.got) == 0 && v.gap(family) != "":
		v.set(family, spec.RecordUnknown, v.gap(family))
		v.find(Unknown, CodeUnreadable, v.gap(family))
		return
	case len(c.got) == 0 && family == typeAAAA && len(v.want.of(typeA)) > 0:
		v.set(family, spec.RecordAdd, v.missingFamily(family))
		v.find(Warning, CodeMissingRecord, v.missingFamily(family))
	case len(c.got) == 0:
		v.set(family, spec.RecordAdd, v.missingFamily(family))
		v.find(Failure, CodeMissingRecord, v.missingFamily(family))
	case len(c.wrong) > 0 && len(c.right) == 0 && slices.ContainsFunc(c.wrong, isPrivate):
		v.set(family, spec.RecordFailure, v.wrongAddress(family, c))
		v.find(Failure, CodePrivateAddress, v.wrongAddress(family, c))
	case len(c.wrong) > 0 && len(c.right) == 0:
		v.set(family, spec.RecordFailure, v.wrongAddress(family, c))
		v.find(Failure, CodeWrongAddress, v.wrongAddress(family, c))
	case len(c.wrong) > 0:
		v.set(family, spec.RecordFailure, v.mixedAddresses(family, c))
		v.mustGo(family, c.wrong, CodeMixedAddresses, v.mixedAddresses(family, c))
	default:
		v.set(family, spec.RecordAdd, v.furtherAddress(family, c))
	}
	v.settle(family, c.right)
	if gap := v.gap(family); gap != "" {
		v.find(Warning, CodeUnreadable, gap)
	}
}

// stray is for a family that the cluster does not have: visitors who prefer it miss the cluster.
func (v *verdict) stray(family string, c comparison) {
	code := CodeStrayIPv6
	if family == typeA {
		code = CodeStrayIPv4
	}
	v.mustGo(family, c.got, code, v.strayAddress(family, c))
}

func (v *verdict) mustGo(family string, addrs []netip.Addr, code Code, message string) {
	v.Records = append(v.Records, spec.Record{
		Type: family, Name: v.host.name, RelativeName: relative(v.host.name, v.host.zone.name),
		Status: spec.RecordFailure, Found: text(addrs), AnsweredBy: v.servers(v.host), Message: message,
	})
	v.find(Failure, code, message)
}

// judgeServers reports the state of the name servers, whatever they say.
func (v *verdict) judgeServers() {
	for i, h := range v.trail.hops {
		if h.recursive {
			v.find(Warning, CodeRecursor, v.recursor(h))
			continue
		}
		if i > 0 && v.trail.hops[i-1].zone.name == h.zone.name || len(h.answered()) == 0 {
			continue
		}
		for _, r := range h.unanswered() {
			v.find(Warning, CodeLameServer, v.lame(h, r))
		}
	}
}

// disagreement returns the first name about which servers differ in a way that visitors notice. Servers that each show some of
// the right addresses do not.
func (v *verdict) disagreement() *hop {
	for i, h := range v.trail.hops {
		if i > 0 && h.name == v.want.CNAME && len(v.want.Addresses) == 0 {
			return nil // beyond the wanted name it is the platform's business
		}
		all := h.answered()
		differ := func(r reply) bool { return !r.answer.same(all[0].answer) }
		wrong := func(r reply) bool { return !v.reached(r.answer.addrs) }
		if slices.ContainsFunc(all, differ) && slices.ContainsFunc(all, wrong) {
			return &h
		}
	}
	return nil
}

// reached tells that addresses are the cluster's and nothing else.
func (v *verdict) reached(addrs []netip.Addr) bool {
	wanted := v.want.Addresses
	if len(wanted) == 0 {
		wanted = v.want.aliases
	}
	return len(addrs) > 0 && len(compare(addrs, wanted).wrong) == 0
}

// all gives every record the same status and message, with a finding unless the severity is empty.
func (v *verdict) all(status spec.RecordStatus, severity Severity, code Code, message string) {
	for i := range v.Records {
		v.Records[i].Status, v.Records[i].Message = status, message
		v.Records[i].Found, v.Records[i].AnsweredBy = v.found(), v.servers(v.host)
	}
	if severity != "" {
		v.find(severity, code, message)
	}
}

func (v *verdict) set(family string, status spec.RecordStatus, message string) {
	for i, r := range v.Records {
		if r.Type == family && r.Value != "" {
			v.Records[i].Status, v.Records[i].Message = status, message
			v.Records[i].Found = text(ofFamily(v.host.addresses(), family))
			v.Records[i].AnsweredBy = v.servers(v.host)
		}
	}
}

// settle marks the records that are there.
func (v *verdict) settle(family string, right []netip.Addr) {
	for i, r := range v.Records {
		if r.Type == family && slices.Contains(text(right), r.Value) {
			v.Records[i].Status, v.Records[i].Message = spec.RecordOK, ""
		}
	}
}

func (v *verdict) find(severity Severity, code Code, message string) {
	v.Findings = append(v.Findings, Finding{Code: code, Severity: severity, Message: message})
}

// found is what the host has: the name that it leads to, or addresses.
func (v *verdict) found() []string {
	if cname := v.host.cname(); cname != "" {
		return append([]string{cname}, text(v.host.addresses())...)
	}
	return text(v.host.addresses())
}

// gap says that a family could not be read beside the other one.
func (v *verdict) gap(family string) string {
	for _, r := range v.host.answered() {
		if r.answer.gap == family {
			return v.gapMessage(family, r)
		}
	}
	return ""
}

// comparison is found addresses beside wanted ones, of one family.
type comparison struct {
	got, wanted          []netip.Addr
	right, wrong, absent []netip.Addr
}

func compare(got, wanted []netip.Addr) comparison {
	c := comparison{got: got, wanted: wanted}
	for _, a := range got {
		if slices.Contains(wanted, a) {
			c.right = append(c.right, a)
		} else {
			c.wrong = append(c.wrong, a)
		}
	}
	for _, a := range wanted {
		if !slices.Contains(got, a) {
			c.absent = append(c.absent, a)
		}
	}
	return c
}

// isPrivate tells that the internet cannot reach an address.
func isPrivate(a netip.Addr) bool {
	return !a.IsGlobalUnicast() || a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a) || netip.MustParsePrefix("240.0.0.0/4").Contains(a)
}

func text(addrs []netip.Addr) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
