package network

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"altostack/kernel/contract"
	"altostack/kernel/id"
	"altostack/kernel/schema"
)

const defaultTaken = "default"

// validators answer why a value is refused, or nothing. The names are those of
// the attribute tables, the wording is what clients of the original know.
var validators map[string]func(v, arg any) string

func init() { // the composite ones refer back to the table
	validators = map[string]func(v, arg any) string{
		"string": isString, "string_or_none": orNull(isString), "not_empty_string": notEmpty,
		"oneline_not_empty_string": oneLine, "oneline_not_empty_string_or_none": orNull(oneLine),
		"name_not_default": notDefault, "uuid": isUUID, "uuid_or_none": orNull(isUUID), "uuid_list": listOf("", isUUID),
		"values": isAmong, "boolean": isBool, "non_negative": nonNegative, "range": inRange, "range_or_none": orNull(inRange),
		"ip_address": isIP, "ip_address_or_none": orNull(isIP), "subnet": isCIDR, "subnet_or_none": orNull(isCIDR),
		"subnet_list": listOf("", isCIDR), "mac_address": isMAC, "ip_pools": isPools, "nameservers": isNameservers,
		"hostroutes": isRoutes, "fixed_ips": isFixedIPs, "allowed_address_pairs": isPairs, "dict": isDict,
		"dict_or_none": orNull(isDict), "dict_or_nodata": isDictOrNothing, "list_of_any_key_specs_or_none": anyKeySpecs,
		"availability_zone_hint_list": listOf("", isString), "subnetpool_id_or_none": orNull(isPoolID),
		"valid_target_project": isTarget, "dns_domain_name": isDomain, "dns_host_name": isHostName, "fip_dns_host_name": isHostName,
		"list_of_subnet_service_types": isServiceTypes,
	}
}

func orNull(f func(v, arg any) string) func(v, arg any) string {
	return func(v, arg any) string {
		if v == nil {
			return ""
		}
		return f(v, arg)
	}
}

// listOf checks each member; twins are refused.
func listOf(_ string, f func(v, arg any) string) func(v, arg any) string {
	return func(v, arg any) string {
		list, ok := v.([]any)
		if !ok {
			return fmt.Sprintf("'%s' is not a list", schema.Str(v))
		}
		seen := map[string]bool{}
		for _, e := range list {
			if s := schema.Str(e); seen[s] {
				return fmt.Sprintf("Duplicate items in the list: '%s'", s)
			} else {
				seen[s] = true
			}
			if reason := f(e, arg); reason != "" {
				return reason
			}
		}
		return ""
	}
}

func isString(v, arg any) string {
	s, ok := v.(string)
	if !ok {
		return fmt.Sprintf("'%s' is not a valid string", schema.Str(v))
	}
	if max, ok := arg.(float64); ok && float64(len([]rune(s))) > max {
		return fmt.Sprintf("'%s' exceeds maximum length of %d", s, int(max))
	}
	return ""
}

func notEmpty(v, arg any) string {
	if reason := isString(v, arg); reason != "" {
		return reason
	}
	if strings.TrimSpace(v.(string)) == "" {
		return fmt.Sprintf("'%s' Blank strings are not permitted", v)
	}
	return ""
}

func oneLine(v, arg any) string {
	if reason := notEmpty(v, arg); reason != "" {
		return reason
	}
	if strings.Contains(v.(string), "\n") {
		return fmt.Sprintf("Multi-line string is not allowed: '%s'", v)
	}
	return ""
}

func notDefault(v, arg any) string {
	if reason := isString(v, arg); reason != "" {
		return reason
	}
	if strings.EqualFold(v.(string), "default") {
		return defaultTaken
	}
	return ""
}

func isUUID(v, _ any) string {
	if s, ok := v.(string); !ok || !id.IsUUID(s) {
		return fmt.Sprintf("'%s' is not a valid UUID", schema.Str(v))
	}
	return ""
}

func isPoolID(v, _ any) string {
	if v == "prefix_delegation" {
		return ""
	}
	return isUUID(v, nil)
}

func isAmong(v, arg any) string {
	list, _ := arg.([]any)
	for _, e := range list {
		if e == v || schema.Str(e) == schema.Str(v) && (e == nil) == (v == nil) {
			return ""
		}
	}
	return fmt.Sprintf("%s is not in %s", schema.Str(v), schema.Repr(arg))
}

func isBool(v, _ any) string {
	if _, ok := v.(bool); ok {
		return ""
	}
	if _, err := toBool(v); err != nil {
		return fmt.Sprintf("'%s' is not a valid boolean value", schema.Str(v))
	}
	return ""
}

func nonNegative(v, _ any) string {
	n, err := toInt(v)
	if err != nil {
		return fmt.Sprintf("'%s' is not an integer", schema.Str(v))
	}
	if n.(int64) < 0 {
		return fmt.Sprintf("'%s' should be non-negative", schema.Str(v))
	}
	return ""
}

func inRange(v, arg any) string {
	n, err := toInt(v)
	if err != nil {
		return fmt.Sprintf("'%s' is not an integer", schema.Str(v))
	}
	bounds, _ := arg.([]any)
	low, _ := bounds[0].(float64)
	high, _ := bounds[1].(float64)
	if n.(int64) < int64(low) {
		return fmt.Sprintf("'%d' is too small - must be at least '%d'", n, int64(low))
	}
	if n.(int64) > int64(high) {
		return fmt.Sprintf("'%d' is too large - must be no larger than '%d'", n, int64(high))
	}
	return ""
}

func isIP(v, _ any) string {
	if s, ok := v.(string); ok {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return ""
		}
	}
	return fmt.Sprintf("'%s' is not a valid IP address", schema.Str(v))
}

func isCIDR(v, _ any) string {
	if s, ok := v.(string); ok {
		if _, err := netip.ParsePrefix(s); err == nil {
			return ""
		}
	}
	return fmt.Sprintf("'%s' is not a valid IP subnet", schema.Str(v))
}

// parseMAC reads the forms that netaddr does and answers xx:xx:xx:xx:xx:xx.
func parseMAC(s string) (string, bool) {
	m, err := net.ParseMAC(s)
	if err != nil && len(s) == 12 {
		var b strings.Builder
		for i := 0; i < 12; i += 2 {
			if i > 0 {
				b.WriteByte(':')
			}
			b.WriteString(s[i : i+2])
		}
		m, err = net.ParseMAC(b.String())
	}
	if err != nil || len(m) != 6 {
		return "", false
	}
	return m.String(), true
}

func isMAC(v, _ any) string {
	s, ok := v.(string)
	if ok {
		if mac, valid := parseMAC(s); valid && mac != "00:00:00:00:00:00" {
			if m, _ := net.ParseMAC(mac); m[0]&1 == 0 {
				return ""
			}
		}
	}
	return fmt.Sprintf("'%s' is not a valid MAC address", schema.Str(v))
}

// withKeys reads a dictionary that has exactly the keys.
func withKeys(v any, keys ...string) (map[string]any, string) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Sprintf("Invalid input. '%s' must be a dictionary with keys: %s", schema.Str(v), schema.Repr(anys(keys)))
	}
	for _, k := range keys {
		if _, has := m[k]; !has || len(m) != len(keys) {
			return nil, fmt.Sprintf("Validation of dictionary's keys failed. Expected keys: %s Provided keys: %s", schema.Repr(anys(keys)), schema.Repr(keysOf(m)))
		}
	}
	return m, ""
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func keysOf(m map[string]any) []any {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return anys(keys)
}

func isPools(v, _ any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprintf("Invalid data format for IP pool: '%s'", schema.Str(v))
	}
	for _, e := range list {
		m, reason := withKeys(e, "end", "start")
		if reason != "" {
			return reason
		}
		for _, k := range []string{"start", "end"} {
			if reason := isIP(m[k], nil); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func isNameservers(v, _ any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprintf("Invalid data format for nameserver: '%s'", schema.Str(v))
	}
	seen := map[any]bool{}
	for _, e := range list {
		if reason := isIP(e, nil); reason != "" {
			return fmt.Sprintf("'%s' is not a valid nameserver. %s", schema.Str(e), reason)
		}
		if seen[e] {
			return fmt.Sprintf("Duplicate nameserver '%s'", e)
		}
		seen[e] = true
	}
	return ""
}

func isRoutes(v, _ any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprintf("Invalid data format for hostroute: '%s'", schema.Str(v))
	}
	seen := map[string]bool{}
	for _, e := range list {
		m, reason := withKeys(e, "destination", "nexthop")
		if reason != "" {
			return reason
		}
		if reason := isCIDR(m["destination"], nil); reason != "" {
			return fmt.Sprintf("'%s' is not a valid CIDR", schema.Str(m["destination"]))
		}
		if reason := isIP(m["nexthop"], nil); reason != "" {
			return reason
		}
		key := schema.Str(m["destination"]) + " " + schema.Str(m["nexthop"])
		if seen[key] {
			return fmt.Sprintf("Duplicate hostroute '%s'", schema.Str(e))
		}
		seen[key] = true
	}
	return ""
}

func isFixedIPs(v, _ any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprintf("Invalid data format for fixed IP: '%s'", schema.Str(v))
	}
	seen := map[string]bool{}
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return fmt.Sprintf("Invalid data format for fixed IP: '%s'", schema.Str(e))
		}
		for k, x := range m {
			switch k {
			case "ip_address":
				if reason := isIP(x, nil); reason != "" {
					return reason
				}
				if seen[x.(string)] {
					return fmt.Sprintf("Duplicate IP address '%s'", x)
				}
				seen[x.(string)] = true
			case "subnet_id":
				if reason := isUUID(x, nil); reason != "" {
					return reason
				}
			default:
				return fmt.Sprintf("Invalid data format for fixed IP: '%s'", schema.Str(e))
			}
		}
	}
	return ""
}

func isPairs(v, _ any) string {
	list, ok := v.([]any)
	if !ok {
		return "Allowed address pairs must be a list."
	}
	if len(list) > 10 {
		return "Exceeded maximum amount of fixed ips per port. The limit is 10"
	}
	seen := map[string]bool{}
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return fmt.Sprintf("Invalid data format for address pair: '%s'", schema.Str(e))
		}
		address, has := m["ip_address"].(string)
		if !has {
			return "AllowedAddressPair must contain ip_address"
		}
		if _, err := parsePrefix(address); err != nil {
			return fmt.Sprintf("'%s' is neither a valid IP address, nor is it a valid IP subnet", address)
		}
		if mac, has := m["mac_address"]; has && mac != nil {
			if reason := isMAC(mac, nil); reason != "" {
				return reason
			}
		}
		for k := range m {
			if k != "ip_address" && k != "mac_address" {
				return fmt.Sprintf("Unrecognized attribute(s) '%s'", k)
			}
		}
		key := address + " " + schema.Str(m["mac_address"])
		if seen[key] {
			return "Request contains duplicate address pair: " + key
		}
		seen[key] = true
	}
	return ""
}

// isDict checks a dictionary, by its specification where there is one.
func isDict(v, spec any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprintf("'%s' is not a dictionary", schema.Str(v))
	}
	specs, _ := spec.(map[string]any)
	if specs == nil {
		return ""
	}
	for k := range m {
		if _, known := specs[k]; !known {
			return fmt.Sprintf("Unexpected keys supplied: %s", k)
		}
	}
	for k, s := range specs {
		one, _ := s.(map[string]any)
		x, has := m[k]
		if !has {
			if one["required"] == true {
				return fmt.Sprintf("Validation of dictionary's keys failed. Expected keys: %s Provided keys: %s", schema.Repr(k), schema.Repr(keysOf(m)))
			}
			continue
		}
		for name, arg := range one {
			if check, ok := validators[strings.TrimPrefix(name, "type:")]; ok && strings.HasPrefix(name, "type:") {
				if reason := check(x, arg); reason != "" {
					return reason
				}
			}
		}
	}
	return ""
}

func isDictOrNothing(v, spec any) string {
	if m, ok := v.(map[string]any); v == nil || ok && len(m) == 0 {
		return ""
	}
	return isDict(v, spec)
}

// anyKeySpecs wants every member to fit one of the specifications.
func anyKeySpecs(v, arg any) string {
	if v == nil {
		return ""
	}
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprintf("'%s' is not a list", schema.Str(v))
	}
	specs, _ := arg.([]any)
	for _, e := range list {
		if !slices.ContainsFunc(specs, func(spec any) bool { return isDict(e, spec) == "" }) {
			return fmt.Sprintf("No valid key specs matched for: %s", schema.Str(e))
		}
	}
	return ""
}

func isTarget(v, arg any) string {
	s, ok := v.(string)
	if !ok || s == "" {
		return fmt.Sprintf("'%s' Blank strings are not permitted", schema.Str(v))
	}
	return isString(v, float64(255))
}

func isDomain(v, arg any) string {
	if reason := isString(v, arg); reason != "" || v == "" {
		return reason
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(v.(string), "."), ".") {
		if !isLabel(label) {
			return fmt.Sprintf("'%s' not a valid PQDN or FQDN. Reason: Name '%s' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen", v, v)
		}
	}
	return ""
}

func isHostName(v, arg any) string { return isDomain(v, arg) }

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !(c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	})
}

func isServiceTypes(v, _ any) string {
	list, ok := v.([]any)
	if !ok {
		return "Subnet service types must be a list."
	}
	for _, e := range list {
		s, ok := e.(string)
		if !ok || !strings.HasPrefix(s, "network:") && !strings.HasPrefix(s, "compute:") && s != "" {
			return fmt.Sprintf("Subnet service type %s does not correspond to a valid device owner.", schema.Str(e))
		}
	}
	return ""
}

// FilterValue brings a query's text into the form its column is stored in.
func FilterValue(a contract.Attribute, kind Kind, s string) (any, error) {
	switch kind {
	case Flag:
		return toBool(s)
	case Number, NullInt:
		if kind == NullInt && (s == "" || strings.EqualFold(s, "none")) {
			return int64(-1), nil
		}
		n, err := toInt(json.Number(s))
		if err != nil {
			return nil, malformed("Invalid input for %s. Reason: '%s' is not an integer.", a.Name, s)
		}
		return n, nil
	}
	switch a.Name {
	case "mac_address":
		if mac, ok := parseMAC(s); ok {
			return mac, nil
		}
	case "ip_address", "gateway_ip", "floating_ip_address", "fixed_ip_address":
		if addr, err := netip.ParseAddr(s); err == nil {
			return addr.String(), nil
		}
	case "cidr", "remote_ip_prefix":
		if p, err := parsePrefix(s); err == nil {
			return p.String(), nil
		}
	}
	return s, nil
}
