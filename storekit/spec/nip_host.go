package spec

import (
	"net/netip"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// addressLike matches names that nip.io would take for an address itself: four decimal or eight hexadecimal groups, a
// shortened IPv6 address, or eight hexadecimal digits. Of several addresses in a host it answers with the first.
var addressLike = regexp.MustCompile(`--|(^|-)(\d{1,3}-){3}\d{1,3}(-|$)|(^|-)([0-9a-f]{1,4}-){7}[0-9a-f]{1,4}(-|$)|^[0-9a-f]{8}$`)

// NipHost returns a host below nip.io, a public DNS service that answers for a host with the address in it: a store has a host
// without anybody setting up DNS. What is wrong is reported as [FieldErrors].
//
// The service takes dashes for dots and colons (cunnie/sslip.io, xip.go). An IPv6 address is written out in full: a label that
// starts or ends with a dash is no host name, and of groups with fewer than four digits the service could read an IPv4 address.
func NipHost(name, address string) (string, error) {
	var errs FieldErrors
	switch {
	case len(validation.IsDNS1123Label(name)) > 0:
		errs.add("name", name, "must be a DNS label: lower case letters, digits and '-', at most 63 characters, starting and ending with a letter or digit")
	case addressLike.MatchString(name):
		errs.add("name", name, "reads like an IP address, or a part of one: nip.io would answer with that one. Choose another name")
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" {
		errs.add("address", address, "must be an IPv4 or IPv6 address such as 203.0.113.10 or 2001:db8::10, without port, prefix and zone")
	}
	if len(errs) > 0 {
		return "", errs
	}
	return name + "." + strings.NewReplacer(".", "-", ":", "-").Replace(ip.Unmap().StringExpanded()) + ".nip.io", nil
}
