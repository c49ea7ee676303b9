package dns

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Target is where a host should point.
type Target struct {
	Addresses []netip.Addr // of the cluster's ingress controller
	CNAME     string       // a name that always points at the cluster, preferred for sub-domains: it survives a new address

	aliases []netip.Addr // what CNAME stands for, read when there are no addresses
}

func (t Target) empty() bool { return len(t.Addresses) == 0 && t.CNAME == "" }

func (t Target) normal() Target {
	addrs := make([]netip.Addr, len(t.Addresses))
	for i, a := range t.Addresses {
		addrs[i] = a.Unmap()
	}
	return Target{Addresses: sorted(addrs), CNAME: spec.NormalHost(t.CNAME)}
}

func (t Target) of(family string) []netip.Addr { return ofFamily(t.Addresses, family) }

// RequiredRecords lists the DNS records that point host at want: A and AAAA at the apex of a zone, CNAME below it when want has
// one, else A and AAAA. An apex cannot be a CNAME: without addresses it gets a record of type "ALIAS", the ALIAS, ANAME or
// flattened CNAME of the DNS provider. Their status is "add"; the zone is taken to be the registered domain.
func RequiredRecords(host string, want Target) []spec.Record {
	host = spec.NormalHost(host)
	return required(host, registeredDomain(host), want.normal())
}

func required(host, zone string, want Target) []spec.Record {
	record := func(kind, value string) spec.Record {
		return spec.Record{Type: kind, Name: host, RelativeName: relative(host, zone), Value: value, Status: spec.RecordAdd}
	}
	switch {
	case want.CNAME != "" && host != zone:
		return []spec.Record{record(typeCNAME, want.CNAME)}
	case want.CNAME != "" && len(want.Addresses) == 0:
		return []spec.Record{record(typeALIAS, want.CNAME)}
	}
	var records []spec.Record
	for _, family := range families() {
		for _, a := range want.of(family) {
			records = append(records, record(family, a.String()))
		}
	}
	return records
}

const (
	typeA     = "A"
	typeAAAA  = "AAAA"
	typeCNAME = "CNAME"
	typeALIAS = "ALIAS"
)

func families() []string { return []string{typeA, typeAAAA} }

func familyOf(a netip.Addr) string {
	if a.Is4() {
		return typeA
	}
	return typeAAAA
}

func ofFamily(addrs []netip.Addr, family string) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if familyOf(a) == family {
			out = append(out, a)
		}
	}
	return out
}

// registeredDomain is the name that somebody registered: host itself when it is a public suffix.
func registeredDomain(host string) string {
	if name, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return name
	}
	return host
}

// relative is host as a DNS provider's form asks for it within zone.
func relative(host, zone string) string {
	if host == zone {
		return "@"
	}
	return strings.TrimSuffix(host, "."+zone)
}

func sorted(addrs []netip.Addr) []netip.Addr {
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}
