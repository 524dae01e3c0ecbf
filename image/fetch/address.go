package fetch

import "net/netip"

// inside are addresses that are not public, or that carry another address in
// which a router on the way may believe.
var inside = func() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{
		"0.0.0.0/8",       // this network; Linux takes 0.0.0.0 for itself
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // shared with the provider
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, metadata services among it
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, broadcast among it
		"::/96",           // unspecified, loopback, IPv4-compatible
		"::ffff:0:0:0/96", // IPv4-translated
		"64:ff9b::/96",    // NAT64
		"64:ff9b:1::/48",  // NAT64, local
		"100::/64",        // discarded
		"2001::/23",       // protocol assignments, Teredo among it
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4
		"3fff::/20",       // documentation
		"5f00::/16",       // segment routing
		"fc00::/7",        // private
		"fe80::/10",       // link-local
		"fec0::/10",       // site-local
		"ff00::/8",        // multicast
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}()

// reachable reports whether an address may be connected to.
func (f *Fetcher) reachable(addr netip.Addr) bool {
	if addr.Zone() != "" || !addr.IsValid() {
		return false
	}
	addr = addr.Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	for _, p := range f.cfg.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	for _, p := range inside {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.IsGlobalUnicast()
}
