package spec

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Warnings says what is allowed and yet surprises people later, by the path of the field as in [FieldError].
func (s Store) Warnings() map[string]string {
	s = s.WithDefaults()
	engine, ok := s.Engine.(WooCommerce)
	if !ok {
		return nil
	}
	out := make(map[string]string)
	switch {
	case engine.SMTP == nil:
		out["woocommerce.smtp"] = "is not set, so the shop sends no mail: no order confirmations, no lost passwords. Its image has no mail program of its own"
	case s.Egress == EgressNone:
		out["woocommerce.smtp"] = `is set, but with egress = "none" the shop does not reach the relay, and sends no mail. Set egress = "web"`
	case !public(engine.SMTP.Host):
		out["woocommerce.smtp"] = fmt.Sprintf("names the relay %s, a private address, which no egress profile lets a shop reach: it sends no mail. "+
			"Name a relay with a public address", engine.SMTP.Host)
	}
	if why := engine.unreachableSource(s.Egress); why != "" {
		out["woocommerce.plugin_source"] = why
	}
	return out
}

// unreachableSource says why the setup of a shop does not get at its plugin; empty when it may.
func (w WooCommerce) unreachableSource(egress Egress) string {
	source, err := url.Parse(strings.ReplaceAll(w.PluginSource, "%s", w.Version))
	if err != nil {
		return ""
	}
	if !public(source.Hostname()) {
		return "is at a private address, which no egress profile lets the setup of the shop reach: the install will fail. Serve the archive at a public one"
	}
	port := source.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[source.Scheme]
	}
	open := []string{"443"}
	if egress == EgressWeb {
		open = []string{"80", "443", "587"}
		if w.SMTP != nil { // its port is opened too
			open = append(open, strconv.Itoa(w.SMTP.Port))
		}
	}
	for _, one := range open {
		if port == one {
			return ""
		}
	}
	return fmt.Sprintf("is on port %s, which egress = %q does not let the setup of the shop reach: the install will fail. Serve the archive on port 443", port, egress)
}

// public tells whether pods may reach a host, as far as its name says that: every egress profile shuts private addresses out.
func public(host string) bool {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return true
	}
	address = address.Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10") // of carriers, and of clusters (RFC 6598)
	return address.IsGlobalUnicast() && !address.IsPrivate() && !shared.Contains(address)
}
