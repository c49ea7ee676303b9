package dns

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// The internet of these tests: example.com on ns1 and ns2.example.net, host.net on ns.host.net, and a recursor that knows where
// they are.
const (
	ns1Addr      = "198.51.100.1"
	ns2Addr      = "198.51.100.2"
	hostNetAddr  = "198.51.100.3"
	recursorAddr = "192.0.2.53"

	delegations = `
example.com.     NS   ns2.example.net.
example.com.     NS   ns1.example.net.
ns1.example.net. A    198.51.100.1
ns2.example.net. A    198.51.100.2
host.net.        NS   ns.host.net.
ns.host.net.     A    198.51.100.3
`
)

type checkTest struct {
	reason string
	host   string // default shop.example.com
	want   Target // default A 203.0.113.7

	zone      string // example.com, at both servers
	ns1, ns2  behaviour
	zone2     string // what ns2 says instead
	hostNet   string // host.net
	hostNetIs behaviour
	recursor  *fakeServer           // default knows the delegations
	more      map[string]fakeServer // further servers
	servers   []string              // asked and believed
}

func (tt checkTest) check(t *testing.T) Report {
	t.Helper()
	if tt.host == "" {
		tt.host = "shop.example.com"
	}
	if tt.want.empty() {
		tt.want.Addresses = addrs("203.0.113.7")
	}
	if tt.zone2 == "" {
		tt.zone2 = tt.zone
	}
	if tt.recursor == nil {
		tt.recursor = &fakeServer{records: delegations}
	}
	all := map[string]fakeServer{
		ns1Addr:      {origin: "example.com", records: tt.zone, behaviour: tt.ns1},
		ns2Addr:      {origin: "example.com", records: tt.zone2, behaviour: tt.ns2},
		hostNetAddr:  {origin: "host.net", records: tt.hostNet, behaviour: tt.hostNetIs},
		recursorAddr: *tt.recursor,
	}
	for addr, s := range tt.more {
		all[addr] = s
	}
	c := New(Options{Servers: tt.servers, Recursors: []string{recursorAddr}})
	c.wire = newInternet(t, all)
	return c.Check(t.Context(), tt.host, tt.want)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	platform := Target{CNAME: "acme.stores.host.net", Addresses: addrs("203.0.113.7")}
	dual := Target{Addresses: addrs("203.0.113.7", "2001:db8:7::7")}
	tests := map[string]checkTest{
		"address": {
			reason: "the usual good case: an A record at every server",
			zone:   "shop A 203.0.113.7",
		},
		"address-spelling": {
			reason: "users paste hosts with capitals and a final dot; DNS does not care",
			host:   "Shop.Example.COM.",
			zone:   "SHOP A 203.0.113.7",
		},
		"address-international": {
			reason: "a host with an umlaut is looked up as an A-label",
			host:   "bücher.example.com",
			zone:   "xn--bcher-kva A 203.0.113.7",
		},
		"address-dual": {
			reason: "both families, both right",
			want:   dual,
			zone:   "shop A 203.0.113.7\nshop AAAA 2001:db8:7::7",
		},
		"address-some": {
			reason: "one of a cluster's three addresses is enough: nodes come and go",
			want:   Target{Addresses: addrs("203.0.113.7", "203.0.113.8", "203.0.113.9")},
			zone:   "shop A 203.0.113.8",
		},
		"apex": {
			reason: "the apex of a zone takes addresses even when the platform has a name to point at",
			host:   "example.com",
			want:   platform,
			zone:   "@ A 203.0.113.7",
		},
		"name-missing": {
			reason: "row 1: the customer has done nothing yet",
			zone:   "www A 203.0.113.7",
		},
		"name-missing-cname": {
			reason: "row 1, with a name to point at",
			want:   platform,
			zone:   "www A 203.0.113.7",
		},
		"address-missing": {
			reason: "row 2: the name has mail, but no address",
			want:   dual,
			zone:   "shop MX 10 mail.example.com.",
		},
		"zone-missing": {
			reason: "row 3: the domain expired, so its registry delegates it no more",
			zone:   "shop A 203.0.113.7",
			recursor: &fakeServer{
				records: "host.net. NS ns.host.net.",
			},
		},
		"wrong-address": {
			reason: "row 4: still at the old host",
			zone:   "shop 600 A 198.51.100.99",
		},
		"wrong-addresses-dual": {
			reason: "row 4 and 8: both families at the old host",
			want:   dual,
			zone:   "shop A 198.51.100.99\nshop AAAA 2001:db8:99::1",
		},
		"mixed-addresses": {
			reason: "row 5: the new address was added, the old one stayed",
			zone:   "shop A 203.0.113.7\nshop A 198.51.100.99",
		},
		"private-address": {
			reason: "row 6: a LAN address copied from a router",
			zone:   "shop A 192.168.1.20",
		},
		"private-address-wanted": {
			reason: "a cluster on a private network is checked like any other",
			want:   Target{Addresses: addrs("10.0.0.7")},
			zone:   "shop A 10.0.0.7",
		},
		"stray-ipv6": {
			reason: "row 7: the classic silent failure; the cluster has no IPv6",
			zone:   "shop A 203.0.113.7\nshop AAAA 2001:db8::1",
		},
		"stray-ipv4": {
			reason: "the other way round, for a cluster on IPv6 alone",
			want:   Target{Addresses: addrs("2001:db8:7::7")},
			zone:   "shop A 198.51.100.99\nshop AAAA 2001:db8:7::7",
		},
		"ipv6-missing": {
			reason: "a dual-stack cluster serves IPv4 visitors without an AAAA record: no failure",
			want:   dual,
			zone:   "shop A 203.0.113.7",
		},
		"ipv4-missing": {
			reason: "a dual-stack cluster without an A record is invisible to half of the visitors",
			want:   dual,
			zone:   "shop AAAA 2001:db8:7::7",
		},
		"cname": {
			reason:  "a sub-domain that points at the platform's name",
			want:    platform,
			zone:    "shop CNAME acme.stores.host.net.",
			hostNet: "acme.stores A 203.0.113.7",
		},
		"cname-through": {
			reason:  "a detour that ends at the platform's name is fine",
			want:    platform,
			zone:    "shop CNAME www\nwww CNAME acme.stores.host.net.",
			hostNet: "acme.stores A 203.0.113.7",
		},
		"cname-instead-of-address": {
			reason:  "a CNAME that ends at the right address is as good as an A record",
			zone:    "shop CNAME www.host.net.",
			hostNet: "www A 203.0.113.7",
		},
		"address-instead-of-cname": {
			reason: "an A record, or a flattened CNAME, with the right address is as good as a CNAME",
			want:   platform,
			zone:   "shop A 203.0.113.7",
		},
		"flattened-cname": {
			reason:  "the platform is a load balancer without fixed addresses, the customer's zone flattens its name",
			want:    Target{CNAME: "lb.host.net"},
			zone:    "shop A 203.0.113.7",
			hostNet: "lb A 203.0.113.7\nlb A 203.0.113.8",
		},
		"alias-at-apex": {
			reason:  "an apex cannot be a CNAME: an ALIAS with the same address is accepted",
			host:    "example.com",
			want:    Target{CNAME: "lb.host.net"},
			zone:    "@ A 203.0.113.8",
			hostNet: "lb A 203.0.113.7\nlb A 203.0.113.8",
		},
		"alias-at-apex-wrong": {
			reason:  "an apex that points elsewhere is told to use an ALIAS",
			host:    "example.com",
			want:    Target{CNAME: "lb.host.net"},
			zone:    "@ A 198.51.100.99",
			hostNet: "lb A 203.0.113.7",
		},
		"alias-unreadable": {
			reason:    "when the platform's own name cannot be read, nothing is said against the customer",
			want:      Target{CNAME: "lb.host.net"},
			zone:      "shop A 203.0.113.7",
			hostNetIs: servfail,
		},
		"wrong-cname": {
			reason:  "row 9: still at the old host",
			want:    platform,
			zone:    "shop CNAME old.host.net.",
			hostNet: "old A 198.51.100.99",
		},
		"wrong-cname-for-address": {
			reason:  "row 9, where addresses are asked for",
			zone:    "shop CNAME old.host.net.",
			hostNet: "old A 198.51.100.99",
		},
		"cname-to-nothing": {
			reason:  "the old host gave the name up",
			zone:    "shop CNAME gone.host.net.",
			hostNet: "old A 198.51.100.99",
		},
		"cname-target-unreadable": {
			reason:    "the servers behind the CNAME are broken: unknown, not wrong",
			zone:      "shop CNAME old.host.net.",
			hostNetIs: servfail,
		},
		"cname-target-elsewhere": {
			reason:  "the customer did everything right, the platform's name is behind",
			want:    platform,
			zone:    "shop CNAME acme.stores.host.net.",
			hostNet: "acme.stores A 198.51.100.99",
		},
		"wrong-address-for-cname": {
			reason: "an old A record stands where the CNAME should be",
			want:   platform,
			zone:   "shop A 198.51.100.99",
		},
		"cname-at-apex": {
			reason:  "row 10: some providers let a zone's own name be a CNAME, which breaks its mail",
			host:    "example.com",
			zone:    "@ CNAME acme.stores.host.net.",
			hostNet: "acme.stores A 203.0.113.7",
		},
		"cname-beside-other": {
			reason:  "row 11: broken providers serve both",
			zone:    "shop CNAME acme.stores.host.net.\nshop A 203.0.113.7",
			hostNet: "acme.stores A 203.0.113.7",
		},
		"cname-loop": {
			reason: "row 12: two names that point at each other",
			zone:   "shop CNAME www\nwww CNAME shop",
		},
		"cname-too-long": {
			reason: "row 12: resolvers give up on long chains, so do we",
			zone:   "shop CNAME a\na CNAME b\nb CNAME c\nc CNAME d\nd CNAME e\ne CNAME f\nf CNAME g\ng CNAME h\nh CNAME i\ni A 203.0.113.7",
		},
		"cname-longest": {
			reason: "row 12: eight steps are allowed",
			zone:   "shop CNAME a\na CNAME b\nb CNAME c\nc CNAME d\nd CNAME e\ne CNAME f\nf CNAME g\ng CNAME h\nh A 203.0.113.7",
		},
		"servfail": {
			reason: "row 13: nothing is known about the record, so it is not called wrong",
			zone:   "shop A 203.0.113.7",
			ns1:    servfail, ns2: servfail,
		},
		"other-question": {
			reason: "a reply to another question is no reply",
			ns1:    otherQuestion, ns2: otherQuestion,
		},
		"lame-silent": {
			reason: "row 15: one server is gone, the other one answers",
			zone:   "shop A 203.0.113.7",
			ns2:    silent,
		},
		"lame-not-ours": {
			reason: "row 15: one server was never told about the zone",
			zone:   "shop A 203.0.113.7",
			ns2:    notOurs,
		},
		"lame-refused": {
			reason: "row 15: one server was told to forget the zone; the record is wrong beside",
			zone:   "shop A 198.51.100.99",
			ns1:    refused,
		},
		"disagreement": {
			reason: "row 16: the secondary server has the old zone",
			zone:   "shop A 203.0.113.7",
			zone2:  "shop A 198.51.100.99",
		},
		"disagreement-missing": {
			reason: "row 16: the secondary server has no record yet",
			zone:   "shop A 203.0.113.7",
			zone2:  "www A 203.0.113.7",
		},
		"disagreement-harmless": {
			reason: "servers that each show one of the right addresses disagree for nobody",
			want:   Target{Addresses: addrs("203.0.113.7", "203.0.113.8")},
			zone:   "shop A 203.0.113.7",
			zone2:  "shop A 203.0.113.8",
		},
		"truncated": {
			reason: "an answer that is too long for UDP is asked for over TCP",
			zone:   "shop A 203.0.113.7",
			ns1:    udpCut, ns2: udpCut,
		},
		"truncated-no-tcp": {
			reason: "TCP is firewalled at one server",
			zone:   "shop A 203.0.113.7",
			ns1:    udpCutNoTCP,
		},
		"ipv6-question-fails": {
			reason: "an old server fails on questions for AAAA, which some resolvers punish",
			zone:   "shop A 203.0.113.7",
			ns1:    noIPv6, ns2: noIPv6,
		},
		"ipv4-question-fails": {
			reason: "the family that matters cannot be read",
			want:   dual,
			zone:   "shop A 203.0.113.7\nshop AAAA 2001:db8:7::7",
			ns1:    noIPv4, ns2: noIPv4,
		},
		"closer-zone": {
			reason: "the sub-domain is a zone of its own: its servers are asked, not those of the domain",
			zone:   "shop NS ns.shop\nns.shop A 198.51.100.4\nshop A 198.51.100.99",
			more:   map[string]fakeServer{"198.51.100.4": {origin: "shop.example.com", records: "@ A 203.0.113.7"}},
		},
		"closer-zone-other-servers": {
			reason:   "the closer zone's server lives in another domain: its address comes from the recursor, not from glue",
			host:     "eu.shop.example.com",
			zone:     "shop NS ns.host.net.",
			recursor: &fakeServer{records: delegations},
			more:     map[string]fakeServer{hostNetAddr: {origin: "shop.example.com", records: "eu A 203.0.113.7"}},
		},
		"private-suffix": {
			reason: "below somebody's public suffix there need not be a zone cut",
			host:   "shop.github.io",
			recursor: &fakeServer{
				records: "github.io. NS ns1.example.net.\nns1.example.net. A 198.51.100.4",
			},
			more: map[string]fakeServer{"198.51.100.4": {origin: "github.io", records: "shop A 203.0.113.7"}},
		},
		"blocked": {
			reason:   "port 53 is blocked where the check runs: the recursor's word counts, but less",
			ns1:      silent,
			ns2:      absent,
			recursor: &fakeServer{records: delegations + "shop.example.com. 300 A 203.0.113.7"},
		},
		"all-servers-dead": {
			reason: "the zone's servers are gone, and the recursor cannot help",
			ns1:    silent, ns2: silent,
			recursor: &fakeServer{records: delegations, behaviour: stuck},
		},
		"servers-without-address": {
			reason:   "a delegation to names that do not exist",
			recursor: &fakeServer{records: "example.com. NS ns9.example.net.", behaviour: stuck},
		},
		"offline": {
			reason:   "no network at all: a plan must still work",
			recursor: &fakeServer{behaviour: absent},
		},
		"recursor-servfail": {
			reason:   "the recursor cannot find the zone: unknown, not missing",
			recursor: &fakeServer{behaviour: servfail},
		},
		"given-server": {
			reason:  "split horizon: the given server is asked and believed, whoever is authoritative outside",
			zone:    "shop A 198.51.100.99",
			servers: []string{"192.0.2.1"},
			more:    map[string]fakeServer{"192.0.2.1": {records: "shop.example.com. A 203.0.113.7"}},
		},
		"given-server-follows": {
			reason:  "the given server is asked for the targets of CNAMEs too",
			servers: []string{"192.0.2.1"},
			more: map[string]fakeServer{"192.0.2.1": {
				records: "shop.example.com. CNAME www.host.net.\nwww.host.net. A 203.0.113.7",
			}},
		},
		"given-server-dead": {
			reason:  "when the given server is down, nobody else is asked",
			zone:    "shop A 203.0.113.7",
			servers: []string{"192.0.2.1", "192.0.2.2:5353"},
			more:    map[string]fakeServer{"192.0.2.1": {behaviour: absent}, "192.0.2.2:5353": {behaviour: silent}},
		},
		"given-server-one-dead": {
			reason:  "one of two given servers is enough",
			servers: []string{"192.0.2.1", "192.0.2.2"},
			more:    map[string]fakeServer{"192.0.2.1": {records: "shop.example.com. A 203.0.113.7"}, "192.0.2.2": {behaviour: absent}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := "# " + tt.reason + "\n" + render(tt.check(t))
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s\n%s", tt.reason, diff)
			}
		})
	}
}

func TestCheckWithoutTarget(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	c.wire = nil // would panic when asked
	got := c.Check(t.Context(), "shop.example.com", Target{})
	want := Report{Confidence: ConfidenceNone, Findings: []Finding{{
		Code: CodeNoTarget, Severity: Warning,
		Message: "shop.example.com: the cluster has no public address yet, so there is nothing to point the host at. Apply again once its ingress controller has one.",
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		ctx    func(context.Context) (context.Context, context.CancelFunc)
	}{
		"cancelled": {
			reason: "Ctrl-C must not wait for a dead name server",
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(50*time.Millisecond, cancel)
				return ctx, cancel
			},
		},
		"deadline": {
			reason: "a plan bounds the whole check",
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 50*time.Millisecond)
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dead := fakeServer{behaviour: silent}.start(t)
			c := New(Options{Servers: []string{dead}, Timeout: time.Minute})
			ctx, cancel := tt.ctx(t.Context())
			defer cancel()
			start := time.Now()
			got := c.Check(ctx, "shop.example.com", Target{Addresses: addrs("203.0.113.7")})
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%s: took %s", tt.reason, took)
			}
			if got.OK || got.Records[0].Status != spec.RecordUnknown {
				t.Errorf("%s: got %s", tt.reason, render(got))
			}
		})
	}
}

func TestRequiredRecords(t *testing.T) {
	t.Parallel()
	both := Target{Addresses: addrs("2001:db8:7::7", "203.0.113.8", "203.0.113.7"), CNAME: "ACME.stores.example.net."}
	record := func(kind, name, relative, value string) spec.Record {
		return spec.Record{Type: kind, Name: name, RelativeName: relative, Value: value, Status: spec.RecordAdd}
	}
	tests := map[string]struct {
		reason string
		host   string
		want   Target
		out    []spec.Record
	}{
		"apex": {
			reason: "an apex cannot be a CNAME, so it gets addresses, IPv4 first, in a fixed order",
			host:   "example.com", want: both,
			out: []spec.Record{
				record("A", "example.com", "@", "203.0.113.7"),
				record("A", "example.com", "@", "203.0.113.8"),
				record("AAAA", "example.com", "@", "2001:db8:7::7"),
			},
		},
		"sub-domain with a name to point at": {
			reason: "a CNAME survives a new address",
			host:   "shop.example.com", want: both,
			out: []spec.Record{record("CNAME", "shop.example.com", "shop", "acme.stores.example.net")},
		},
		"sub-domain with addresses": {
			reason: "deeper names are relative to the registered domain",
			host:   "eu.shop.example.co.uk", want: Target{Addresses: addrs("203.0.113.7")},
			out: []spec.Record{record("A", "eu.shop.example.co.uk", "eu.shop", "203.0.113.7")},
		},
		"apex without addresses": {
			reason: "a load balancer that has only a name",
			host:   "example.com", want: Target{CNAME: "lb.example.net"},
			out: []spec.Record{record("ALIAS", "example.com", "@", "lb.example.net")},
		},
		"mapped address": {
			reason: "an IPv4 address in IPv6 clothes is an A record",
			host:   "example.com", want: Target{Addresses: []netip.Addr{netip.MustParseAddr("::ffff:203.0.113.7")}},
			out: []spec.Record{record("A", "example.com", "@", "203.0.113.7")},
		},
		"nothing": {
			reason: "a cluster without an address needs no records yet",
			host:   "example.com",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.out, RequiredRecords(tt.host, tt.want)); diff != "" {
				t.Errorf("%s\n%s", tt.reason, diff)
			}
		})
	}
}

func TestServerAddresses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ reason, server, want string }{
		"port":            {reason: "as given", server: "127.0.0.1:5353", want: "127.0.0.1:5353"},
		"no port":         {reason: "DNS has one", server: "10.0.0.2", want: "10.0.0.2:53"},
		"IPv6":            {reason: "its colons are no port", server: "fd00::2", want: "[fd00::2]:53"},
		"IPv6 in braces":  {reason: "as people write it", server: "[fd00::2]", want: "[fd00::2]:53"},
		"IPv6 and port":   {reason: "as given", server: "[fd00::2]:5353", want: "[fd00::2]:5353"},
		"IPv6 and a zone": {reason: "resolv.conf of a router's network", server: "fe80::1%eth0", want: "[fe80::1%eth0]:53"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := withPort(tt.server); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.reason, got, tt.want)
			}
		})
	}
}

func render(r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ok %v, confidence %s\n", r.OK, r.Confidence)
	for _, one := range r.Records {
		fmt.Fprintf(&b, "record %s %s (%s) = %q: %s, found %q by %q\n", one.Type, one.Name, one.RelativeName, one.Value, one.Status, one.Found, one.AnsweredBy)
		if one.Message != "" {
			fmt.Fprintf(&b, "    %s\n", one.Message)
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s\n    %s\n", f.Severity, f.Code, f.Message)
	}
	return b.String()
}
