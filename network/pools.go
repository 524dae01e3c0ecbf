package network

import (
	"context"
	"net/netip"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

func createScope(w *work, p prepared) (Row, error) {
	row, err := w.insert(AddressScopes, p.row)
	if err == nil && row.Bool("shared") {
		err = w.share("address_scope", row, "*", "access_as_shared")
	}
	return row, err
}

func updateScope(w *work, old Row, p prepared) (Row, error) {
	if old.Bool("shared") && p.row.Has("shared") && !p.row.Bool("shared") {
		return nil, fault.New(fault.CodeNetworkBadRequest, "Unable to update address scope %s : Shared address scope can't be unshared.", old.ID()).WithType("AddressScopeUpdateError")
	}
	if p.row.Bool("shared") {
		return p.row, w.share("address_scope", old, "*", "access_as_shared")
	}
	return p.row, nil
}

func deleteScope(w *work, old Row) error {
	used, err := w.list(SubnetPools, everything, Is("address_scope_id", old.ID()))
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fault.New(fault.CodeNetworkAddressScopeInUse, "Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope", old.ID())
	}
	return w.unshareAll(old.ID())
}

func createPool(w *work, p prepared) (Row, error) {
	row := p.row
	version, list, err := poolPrefixes(row)
	if err != nil {
		return nil, err
	}
	row["ip_version"], row["prefixes"] = int64(version), list
	if err := w.poolBounds(row); err != nil {
		return nil, err
	}
	if err := w.poolLinks(row, ""); err != nil {
		return nil, err
	}
	row, err = w.insert(SubnetPools, row)
	if err == nil && row.Bool("shared") {
		err = w.share("subnetpool", row, "*", "access_as_shared")
	}
	return row, err
}

// poolPrefixes reads a pool's prefixes, joined and in order.
func poolPrefixes(row Row) (version int, list []string, err error) {
	var all []netip.Prefix
	for _, s := range Decode[[]string](row, "prefixes") {
		c, _ := netip.ParsePrefix(s)
		if version != 0 && version != family(c.Addr()) {
			return 0, nil, fault.New(fault.CodeNetworkPoolBadPrefix, "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.").WithType("PrefixVersionMismatch")
		}
		version, all = family(c.Addr()), append(all, c.Masked())
	}
	if len(all) == 0 {
		return 0, nil, fault.New(fault.CodeNetworkPoolBadPrefix, "Empty subnet pool prefix list.").WithType("EmptySubnetPoolPrefixList")
	}
	for _, c := range compact(all) {
		list = append(list, c.String())
	}
	return version, list, nil
}

// compact drops prefixes inside others and joins halves.
func compact(all []netip.Prefix) []netip.Prefix {
	for {
		slices.SortFunc(all, func(a, b netip.Prefix) int {
			if c := a.Addr().Compare(b.Addr()); c != 0 {
				return c
			}
			return a.Bits() - b.Bits()
		})
		joined := false
		var out []netip.Prefix
		for _, c := range all {
			if n := len(out); n > 0 {
				last := out[n-1]
				if last.Overlaps(c) {
					joined = true
					continue
				}
				parent := netip.PrefixFrom(last.Addr(), last.Bits()-1)
				if last.Bits() == c.Bits() && last.Bits() > 0 && parent.Masked() == parent && parent.Contains(c.Addr()) {
					out[n-1], joined = parent, true
					continue
				}
			}
			out = append(out, c)
		}
		if all = out; !joined {
			return all
		}
	}
}

// poolBounds settles the prefix lengths of a pool.
func (w *work) poolBounds(row Row) error {
	bits, least := int64(32), int64(8)
	if row.Int("ip_version") == 6 {
		bits, least = 128, 64
	}
	for attr, v := range map[string]int64{"min_prefixlen": least, "max_prefixlen": bits} {
		if row[attr] == nil {
			row[attr] = v
		}
	}
	if row["default_prefixlen"] == nil {
		row["default_prefixlen"] = row["min_prefixlen"]
	}
	low, high, def := row.Int("min_prefixlen"), row.Int("max_prefixlen"), row.Int("default_prefixlen")
	bounds := func(a string, x int64, b string, y int64) error {
		return fault.New(fault.CodeNetworkPoolBadPrefix, "Illegal prefix bounds: %s=%d, %s=%d.", a, x, b, y)
	}
	switch {
	case low < 0 || high > bits:
		return bounds("max_prefixlen", high, "ip_version_max", bits)
	case low > high:
		return bounds("min_prefixlen", low, "max_prefixlen", high)
	case def < low:
		return bounds("default_prefixlen", def, "min_prefixlen", low)
	case def > high:
		return bounds("default_prefixlen", def, "max_prefixlen", high)
	}
	return nil
}

// poolLinks checks a pool's address scope and that there is one default.
func (w *work) poolLinks(row Row, id string) error {
	if scope := row.Str("address_scope_id"); scope != "" {
		s, err := w.find(AddressScopes, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, scope)
		if err != nil {
			return err
		}
		if s.Int("ip_version") != row.Int("ip_version") {
			return fault.New(fault.CodeNetworkBadRequest, "Illegal subnetpool association: subnetpool %s cannot associate with address scope %s because subnetpool ip_version is not %d.", id, scope, s.Int("ip_version")).
				WithType("IllegalSubnetPoolIpVersionAssociationToAddressScope")
		}
	}
	if !row.Bool("is_default") {
		return nil
	}
	have, err := w.list(SubnetPools, everything, Is("is_default", true), Is("ip_version", row.Int("ip_version")))
	if err == nil && len(have) > 0 && have[0].ID() != id {
		err = invalid("A default subnetpool for this IP family has already been set. Only one default may exist per IP family")
	}
	return err
}

func updatePool(w *work, old Row, p prepared) (Row, error) {
	set := p.row
	whole := old.Clone()
	for k, v := range set {
		whole[k] = v
	}
	if set.Has("prefixes") {
		version, list, err := poolPrefixes(whole)
		if err != nil {
			return nil, err
		}
		if int64(version) != old.Int("ip_version") {
			return nil, fault.New(fault.CodeNetworkPoolBadPrefix, "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.").WithType("PrefixVersionMismatch")
		}
		if !covers(list, Decode[[]string](old, "prefixes")) {
			return nil, fault.New(fault.CodeNetworkPoolBadPrefix, "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.").WithType("IllegalSubnetPoolPrefixUpdate")
		}
		set["prefixes"] = list
	}
	if err := w.poolBounds(whole); err != nil {
		return nil, err
	}
	return set, w.poolLinks(whole, old.ID())
}

// covers reports whether every inner prefix is inside of an outer one.
func covers(outer, inner []string) bool {
	return !slices.ContainsFunc(inner, func(s string) bool {
		c, _ := netip.ParsePrefix(s)
		return !slices.ContainsFunc(outer, func(o string) bool {
			oc, err := netip.ParsePrefix(o)
			return err == nil && oc.Bits() <= c.Bits() && oc.Contains(c.Addr())
		})
	})
}

func deletePool(w *work, old Row) error {
	used, err := w.list(Subnets, everything, Is("subnetpool_id", old.ID()))
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fault.New(fault.CodeNetworkPoolDelete, "Unable to delete subnet pool: Subnet pool has existing allocations.")
	}
	return w.unshareAll(old.ID())
}

// fromPool takes a subnet's CIDR from a pool: the one asked for, or the lowest
// free one of the length asked for.
func (w *work) fromPool(row Row, poolID string) error {
	pool, err := w.find(SubnetPools, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, poolID)
	if err != nil {
		return err
	}
	if pool.Int("ip_version") != row.Int("ip_version") {
		return bad("subnets", "Cannot allocate IPv%d subnet from IPv%d subnet pool", row.Int("ip_version"), pool.Int("ip_version"))
	}
	used, err := w.list(Subnets, everything, Is("subnetpool_id", poolID))
	if err != nil {
		return err
	}
	var taken []netip.Prefix
	for _, s := range used {
		if c, err := netip.ParsePrefix(s.Str("cidr")); err == nil {
			taken = append(taken, c)
		}
	}
	prefixes := Decode[[]string](pool, "prefixes")
	if want := row.Str("cidr"); want != "" {
		c, err := netip.ParsePrefix(want)
		if err != nil || !covers(prefixes, []string{want}) || slices.ContainsFunc(taken, c.Overlaps) {
			return fault.New(fault.CodeNetworkPoolExhausted, "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.")
		}
		return w.poolShare(row, pool, used, c.Bits())
	}
	bits := int(pool.Int("default_prefixlen"))
	if row.Has("prefixlen") {
		bits = int(row.Int("prefixlen"))
	}
	if int64(bits) < pool.Int("min_prefixlen") || int64(bits) > pool.Int("max_prefixlen") {
		return bad("subnets", "Unable to allocate subnet with prefix length %d: allowed are %d to %d", bits, pool.Int("min_prefixlen"), pool.Int("max_prefixlen")).(*fault.Fault).WithType("MinPrefixSubnetAllocationError")
	}
	c, ok := lowestFree(prefixes, taken, bits)
	if !ok {
		return fault.New(fault.CodeNetworkPoolExhausted, "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.", bits)
	}
	row["cidr"] = c.String()
	return w.poolShare(row, pool, used, bits)
}

// poolShare refuses more of a pool than its default quota lets a project have.
// It counts addresses for IPv4 and /64s for IPv6.
func (w *work) poolShare(row, pool Row, used []Row, bits int) error {
	quota, limited := pool["default_quota"].(int64)
	if !limited {
		return nil
	}
	size := func(bits int) int64 {
		if pool.Int("ip_version") == 4 {
			return 1 << (32 - bits)
		}
		return 1 << max(64-bits, 0)
	}
	total := size(bits)
	for _, s := range used {
		if c, err := netip.ParsePrefix(s.Str("cidr")); err == nil && s.Project() == row.Project() {
			total += size(c.Bits())
		}
	}
	if total > quota {
		return fault.New(fault.CodeNetworkPoolQuota, "Per-project subnet pool prefix quota exceeded.")
	}
	return nil
}

// lowestFree finds the lowest prefix of a length that overlaps with none taken.
func lowestFree(prefixes []string, taken []netip.Prefix, bits int) (netip.Prefix, bool) {
	for _, s := range prefixes {
		whole, err := netip.ParsePrefix(s)
		if err != nil || whole.Bits() > bits {
			continue
		}
		at := whole.Addr()
		for at.IsValid() && whole.Contains(at) {
			c := netip.PrefixFrom(at, bits)
			i := slices.IndexFunc(taken, c.Overlaps)
			if i < 0 {
				return c, true
			}
			past := c
			if taken[i].Bits() < bits {
				past = taken[i]
			}
			at = lastOf(past).Next()
		}
	}
	return netip.Prefix{}, false
}

// ChangePrefixes adds prefixes to a subnet pool, or removes them.
func (s *Service) ChangePrefixes(ctx context.Context, scope auth.Scope, id string, prefixes []string, add bool) ([]string, error) {
	action := "remove_prefixes"
	if add {
		action = "add_prefixes"
	}
	var out []string
	for _, p := range prefixes {
		if _, err := netip.ParsePrefix(p); err != nil {
			return nil, malformed("Invalid input for prefixes. Reason: '%s' is not a valid IP subnet.", p)
		}
	}
	err := s.change(ctx, scope, func(w *work) error {
		pool, err := w.seen(SubnetPools, id)
		if err != nil {
			return err
		}
		if err := w.mayChange(action, SubnetPools, pool, prepared{}); err != nil {
			return err
		}
		have := Decode[[]string](pool, "prefixes")
		if add {
			have = append(have, prefixes...)
		} else if err := w.prefixesUnused(pool, prefixes); err != nil {
			return err
		} else {
			have = slices.DeleteFunc(have, func(p string) bool { return slices.Contains(prefixes, p) })
		}
		version, list, err := poolPrefixes(Row{"prefixes": have})
		if err != nil {
			return err
		}
		if int64(version) != pool.Int("ip_version") {
			return fault.New(fault.CodeNetworkPoolBadPrefix, "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.").WithType("PrefixVersionMismatch")
		}
		out = list
		_, err = w.save(SubnetPools, pool, Row{"prefixes": list})
		return err
	})
	return out, err
}

func (w *work) prefixesUnused(pool Row, prefixes []string) error {
	used, err := w.list(Subnets, everything, Is("subnetpool_id", pool.ID()))
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		c, _ := netip.ParsePrefix(p)
		for _, s := range used {
			if sc, err := netip.ParsePrefix(s.Str("cidr")); err == nil && sc.Overlaps(c) {
				return fault.New(fault.CodeNetworkPoolBadPrefix, "Illegal update to prefixes: One or more the prefixes to be removed is in use by a subnet.").WithType("IllegalSubnetPoolPrefixUpdate")
			}
		}
	}
	return nil
}
