package blueprint

import (
	"net/netip"
	"slices"

	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
)

// privateRanges are the addresses that no store may reach in any cluster: private and shared networks, loopback, link-local
// with the cloud's metadata service (169.254.169.254), multicast and reserved space.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/127"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// publicPeers are all addresses but the private ranges, the cluster's networks and its nodes. On a VPS a node's address is a
// public one: without the exception a store could reach the API server and the kubelet.
func publicPeers(env Environment) []*peer {
	excepted := append(slices.Clone(env.ClusterPrefixes), nodePrefixes(env)...)
	var v4, v6 []string
	for _, prefix := range append(slices.Clone(privateRanges), outermost(excepted)...) {
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix.String())
			continue
		}
		v6 = append(v6, prefix.String())
	}
	return []*peer{
		networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR("0.0.0.0/0").WithExcept(v4...)),
		networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR("::/0").WithExcept(v6...)),
	}
}

// outermost returns the sorted prefixes that neither a private range nor another one of them covers. A node that joins with a
// private address so changes no store's policy.
func outermost(prefixes []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(prefixes)
	for i, p := range sorted {
		sorted[i] = p.Masked()
	}
	slices.SortFunc(sorted, netip.Prefix.Compare) // by family, then address, then length: what covers comes first
	var kept []netip.Prefix
	for _, p := range sorted {
		covers := func(outer netip.Prefix) bool { return outer.Bits() <= p.Bits() && outer.Contains(p.Addr()) }
		if p.IsValid() && p.Bits() > 0 && !slices.ContainsFunc(privateRanges, covers) && !slices.ContainsFunc(kept, covers) {
			kept = append(kept, p)
		}
	}
	return kept
}

// nodePrefixes returns the addresses of the nodes as sorted single-address prefixes.
func nodePrefixes(env Environment) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, addr := range env.NodeAddresses {
		addr = addr.Unmap().WithZone("")
		if addr.IsValid() {
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	return slices.Compact(prefixes)
}
