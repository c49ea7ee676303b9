package spec

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Domain binds a host name to a store. A host belongs to one store at a time in the whole cluster.
type Domain struct {
	Store string `json:"store"` // name of the store
	Host  string `json:"host"`  // "shop.example.com"; no scheme, no port, no wildcard
}

// Validate reports every wrong field as [FieldErrors].
func (d Domain) Validate() error {
	var errs FieldErrors
	errs.storeName("store", d.Store)
	errs.host("host", d.Host)
	return errs.err()
}

// NormalHost returns host as it is compared and recorded: lower case, A-labels, no trailing dot. What is no host name is
// returned in lower case.
func NormalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		return ascii
	}
	return host
}

func (e *FieldErrors) host(path, host string) {
	normal := NormalHost(host)
	suffix, _ := publicsuffix.PublicSuffix(normal)
	switch {
	case host == "":
		e.add(path, "", "must be a host name such as shop.example.com")
	case strings.HasPrefix(normal, "*."):
		e.add(path, host, "wildcard hosts are refused: one store would answer for names of others. Add one domain for each host")
	case isAddress(normal):
		e.add(path, host, "must be a host name, not an IP address")
	case len(validation.IsDNS1123Subdomain(normal)) > 0:
		e.add(path, host, "must be a host name such as shop.example.com: labels of letters, digits and '-', joined by dots, without scheme, port or path")
	case !strings.Contains(normal, "."):
		e.add(path, host, "must be a full host name with at least one dot")
	case suffix == normal:
		e.add(path, host, "is a public suffix: nobody can own it. Use a name below it, such as shop.%s", normal)
	}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
