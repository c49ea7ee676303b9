package spec_test

import (
	"strings"
	"testing"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func TestNipHost(t *testing.T) {
	for name, tc := range map[string]struct {
		reason        string
		name, address string
		want          string // the host, or the path of the wrong field
	}{
		"IPv4":                 {"dots become dashes: one label, one certificate", "acme", "203.0.113.10", "acme.203-0-113-10.nip.io"},
		"number in the name":   {"a number before the address is no part of it", "shop-1", "203.0.113.10", "shop-1.203-0-113-10.nip.io"},
		"IPv6":                 {"written out: no group reads like a part of an IPv4 address", "acme", "2001:db8::10", "acme.2001-0db8-0000-0000-0000-0000-0000-0010.nip.io"},
		"IPv6 with zeros last": {"a label must not end with a dash", "acme", "2001:db8::", "acme.2001-0db8-0000-0000-0000-0000-0000-0000.nip.io"},
		"IPv4 in IPv6":         {"clouds print it so", "acme", "::ffff:203.0.113.10", "acme.203-0-113-10.nip.io"},
		"private":              {"a cluster on a desk", "acme", "192.168.1.20", "acme.192-168-1-20.nip.io"},

		"no address":       {"an output that is empty", "acme", "", "address"},
		"host":             {"a name is no address", "acme", "vps.example.com", "address"},
		"prefix":           {"a network is no address", "acme", "203.0.113.0/24", "address"},
		"port":             {"a port is no part of a host", "acme", "203.0.113.10:443", "address"},
		"zone":             {"only this machine knows the zone", "acme", "fe80::1%eth0", "address"},
		"no name":          {"two hosts would be one", "", "203.0.113.10", "name"},
		"dots":             {"a name is one label", "shop.acme", "203.0.113.10", "name"},
		"capitals":         {"Kubernetes refuses them", "Acme", "203.0.113.10", "name"},
		"IPv4 as name":     {"it would answer with 10.0.0.1", "web-10-0-0-1", "203.0.113.10", "name"},
		"IPv6 as name":     {"it would answer with 1:2:3:4:5:6:7:8", "1-2-3-4-5-6-7-8", "203.0.113.10", "name"},
		"short IPv6":       {"it would answer with cafe::1", "cafe--1", "2001:db8::10", "name"},
		"hexadecimal IPv4": {"it would answer with 222.173.190.239", "deadbeef", "2001:db8::10", "name"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := spec.NipHost(tc.name, tc.address)
			if wrong := spec.FieldErrorsOf(err); len(wrong) == 1 {
				got = wrong[0].Path
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("%s: want %s, got %s (%v)", tc.reason, tc.want, got, err)
			}
			if err == nil && (spec.Domain{Store: "acme", Host: got}).Validate() != nil {
				t.Errorf("%s: %s is no host for a store", tc.reason, got)
			}
		})
	}
	if _, err := spec.NipHost("A", "b"); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("both mistakes surface together, got %v", err)
	}
}
