package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/kernel/schema"
)

// converters bring a value into its canonical form before it is checked; the
// names are those of the attribute tables.
var converters = map[string]func(any) (any, error){
	"boolean":             toBool,
	"boolean_if_not_none": nullOr(toBool),
	"int":                 toInt,
	"int_if_not_none":     nullOr(toInt),
	"none_to_empty_list": func(v any) (any, error) {
		if v == nil {
			return []any{}, nil
		}
		return v, nil
	},
	"string_to_case_insensitive":           func(v any) (any, error) { return lower(v), nil },
	"cidr_to_canonical_format":             toCIDR,
	"ip_to_canonical_format":               toIP,
	"allocation_pools_to_canonical_format": toPools,
	"sanitized_mac_address":                toMAC,
	"mac_if_none":                          toMAC,
	"protocol":                             toProtocol,
	"to_protocol":                          toProtocol,
	"ethertype_to_case_insensitive":        toEthertype,
	"validate_port_value":                  toPort,
	"ip_prefix_to_cidr":                    toPrefix,
	"valid_object_type":                    toObjectType,
}

func nullOr(f func(any) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) {
		if v == nil {
			return nil, nil
		}
		return f(v)
	}
}

func toBool(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	case json.Number:
		switch v {
		case "0":
			return false, nil
		case "1":
			return true, nil
		}
	}
	return nil, invalid("'%s' cannot be converted to boolean", schema.Str(v))
}

func toInt(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case float64:
		return int64(v), nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, invalid("'%s' is not an integer", schema.Str(v))
}

func lower(v any) any {
	if s, ok := v.(string); ok {
		return strings.ToLower(s)
	}
	return v
}

func toCIDR(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return v, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return v, nil // the validator words it
	}
	return p.String(), nil
}

func toIP(v any) (any, error) {
	if s, ok := v.(string); ok {
		if a, err := netip.ParseAddr(s); err == nil {
			return a.String(), nil
		}
	}
	return v, nil
}

func toPools(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return v, nil
	}
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			for _, k := range []string{"start", "end"} {
				m[k], _ = toIP(m[k])
			}
		}
	}
	return v, nil
}

func toMAC(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return v, nil
	}
	if mac, ok := parseMAC(s); ok {
		return mac, nil
	}
	return v, nil
}

// toProtocol keeps names, and numbers as text; "any" is null.
func toProtocol(v any) (any, error) {
	if n, ok := v.(json.Number); ok {
		v = n.String()
	}
	s, ok := v.(string)
	switch {
	case v == nil || ok && (strings.EqualFold(s, "any") || s == ""):
		return nil, nil
	case ok:
		if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 255 {
			return strconv.Itoa(n), nil
		}
		if _, known := protocolNumbers[strings.ToLower(s)]; known {
			return strings.ToLower(s), nil
		}
	}
	return nil, fault.New(fault.CodeNetworkRuleInvalid,
		"Security group rule protocol %s not supported. Only protocol values %s and integer representations [0 to 255] are supported.", schema.Str(v), protocolNames).
		WithType("SecurityGroupRuleInvalidProtocol")
}

// protocolNumbers are the names that rules may use.
var protocolNumbers = map[string]int{"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2,
	"ip": 0, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
	"ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112}

var protocolNames = func() string {
	var names []string
	for n := range protocolNumbers {
		names = append(names, "'"+n+"'")
	}
	slices.Sort(names)
	return "[" + strings.Join(names, ", ") + "]"
}()

func toEthertype(v any) (any, error) {
	if s, ok := v.(string); ok {
		for _, e := range []string{"IPv4", "IPv6"} {
			if strings.EqualFold(e, s) {
				return e, nil
			}
		}
	}
	return nil, fault.New(fault.CodeNetworkRuleInvalid, "Security group rule for ethertype '%s' not supported. Allowed values are ['IPv4', 'IPv6'].", schema.Str(v)).
		WithType("SecurityGroupRuleInvalidEtherType")
}

func toPort(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	n, err := toInt(v)
	if err != nil || n.(int64) < 0 || n.(int64) > 65535 {
		return nil, fault.New(fault.CodeNetworkRuleInvalid, "Invalid value for port %s", schema.Str(v)).WithType("SecurityGroupInvalidPortValue")
	}
	return n, nil
}

// toPrefix keeps host bits, as Neutron does: normalized_cidr is without them.
func toPrefix(v any) (any, error) {
	s, ok := v.(string)
	if v == nil || ok && s == "" {
		return nil, nil
	}
	if p, err := parsePrefix(s); ok && err == nil {
		return p.String(), nil
	}
	return nil, fault.New(fault.CodeNetworkInvalidCidr, "Invalid CIDR %s given as IP prefix.", schema.Str(v))
}

// parsePrefix reads a prefix, or an address as one of its full length.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("prefix: %w", err)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// objectTypes are what RBAC policies can share, with the actions of each.
var objectTypes = map[string][]string{
	"network": {"access_as_shared", "access_as_external"}, "security_group": {"access_as_shared"},
	"address_scope": {"access_as_shared"}, "subnetpool": {"access_as_shared"}, "address_group": {"access_as_shared"},
}

func toObjectType(v any) (any, error) {
	if s, ok := v.(string); ok {
		if _, known := objectTypes[s]; known {
			return s, nil
		}
	}
	return nil, invalid("'%s' is not a valid RBAC object type", schema.Str(v))
}
