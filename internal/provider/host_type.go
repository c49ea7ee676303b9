package provider

import "github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"

// host compares host names without regard to case, a trailing dot and the spelling of international names.
type host struct{}

type (
	hostType  = spellingType[host]
	hostValue = spelling[host]
)

func (host) same(a, b string) bool { return spec.NormalHost(a) == spec.NormalHost(b) }
