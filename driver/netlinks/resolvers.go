package netlinks

import (
	"net/netip"
	"os"
	"slices"
	"strings"
)

// HostResolvers are this host's name servers, for [Config.DNS]. One that only
// the host itself can ask (a loopback address) is left out, and the list behind
// systemd-resolved's is read instead. Unreadable files name none.
func HostResolvers() []netip.Addr {
	for _, file := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if found := resolvers(string(text)); len(found) > 0 {
			return found
		}
	}
	return nil
}

func resolvers(text string) []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		a, err := netip.ParseAddr(f[1])
		if err != nil || a.IsLoopback() || a.IsLinkLocalUnicast() || slices.Contains(out, a) {
			continue
		}
		out = append(out, a)
	}
	return out
}
