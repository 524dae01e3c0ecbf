package compute

import (
	"context"
	"regexp"

	"altostack/kernel/fault"
	"altostack/kernel/page"
)

// List answers a page of servers. What SQL cannot compare on both databases (a
// name or an address by regular expression) is filtered here, page by page.
func (s *Service) List(ctx context.Context, f Filter, req page.Request) ([]Server, bool, error) {
	if f.Name == "" && f.IP == "" && f.IP6 == "" {
		return s.Store.List(ctx, s.DB, f, req)
	}
	match, err := matcher(f)
	if err != nil {
		return nil, false, err
	}
	want, step := req.Limit, req
	step.Limit = 500
	var out []Server
	for {
		rows, more, err := s.Store.List(ctx, s.DB, f, step)
		if err != nil {
			return nil, false, err
		}
		kept, err := s.keep(ctx, rows, f, match)
		if err != nil {
			return nil, false, err
		}
		out = append(out, kept...)
		if want > 0 && len(out) > want {
			return out[:want], true, nil
		}
		if !more {
			return out, false, nil
		}
		step.Marker = rows[len(rows)-1].ID
	}
}

type patterns struct{ name, ip, ip6 *regexp.Regexp }

func matcher(f Filter) (p patterns, err error) {
	for _, one := range []struct {
		to   **regexp.Regexp
		text string
	}{{&p.name, f.Name}, {&p.ip, f.IP}, {&p.ip6, f.IP6}} {
		if one.text == "" {
			continue
		}
		if *one.to, err = regexp.Compile(one.text); err != nil {
			// Nova's database would match nothing, or fail; a clear word is better.
			return p, fault.Because(err, fault.CodeComputeBadFilter, "Invalid filter value: %s", one.text)
		}
	}
	return p, nil
}

func (s *Service) keep(ctx context.Context, rows []Server, f Filter, p patterns) ([]Server, error) {
	var ports map[string][]Port
	if p.ip != nil || p.ip6 != nil {
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		var err error
		if ports, err = s.Network.PortsOf(ctx, ids); err != nil {
			return nil, err
		}
	}
	var out []Server
	for _, r := range rows {
		if p.name != nil && !p.name.MatchString(r.Name) {
			continue
		}
		if (p.ip != nil || p.ip6 != nil) && !hasAddress(ports[r.ID], p) {
			continue
		}
		out = append(out, r)
	}
	return out, nil
}

// hasAddress reports whether any address matches one of the patterns given.
func hasAddress(ports []Port, p patterns) bool {
	for _, port := range ports {
		for _, a := range port.Addresses {
			if a.Version == 4 && p.ip != nil && p.ip.MatchString(a.Addr) || a.Version == 6 && p.ip6 != nil && p.ip6.MatchString(a.Addr) {
				return true
			}
		}
	}
	return false
}
