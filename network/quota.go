package network

import (
	"context"
	"maps"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// defaultQuotas are a project's limits until somebody sets others; -1 is none.
var defaultQuotas = map[string]int64{"network": 100, "subnet": 100, "port": 500, "router": 10, "floatingip": 50, "security_group": 10,
	"security_group_rule": 100, "rbac_policy": 10, "subnetpool": -1}

// DefaultQuotas are the limits of a project that has none of its own.
func (s *Service) DefaultQuotas() map[string]int64 {
	limits := maps.Clone(defaultQuotas)
	maps.Copy(limits, s.cfg.Quotas)
	return limits
}

// Quotas are a project's limits.
func (s *Service) Quotas(ctx context.Context, project string) (map[string]int64, error) {
	own, err := s.ownQuotas(ctx, s.cfg.DB, project)
	limits := s.DefaultQuotas()
	maps.Copy(limits, own)
	return limits, err
}

// QuotaUse is a limit with what is used of it.
type QuotaUse struct {
	Limit    int64 `json:"limit"`
	Used     int64 `json:"used"`
	Reserved int64 `json:"reserved"`
}

// QuotaDetails are a project's limits with what is used of each.
func (s *Service) QuotaDetails(ctx context.Context, project string) (map[string]QuotaUse, error) {
	limits, err := s.Quotas(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]QuotaUse{}
	for _, r := range All {
		if !r.Quota {
			continue
		}
		n, err := s.store.Count(ctx, s.cfg.DB, r, project, 1<<40)
		if err != nil {
			return nil, err
		}
		out[r.Singular] = QuotaUse{Limit: limits[r.Singular], Used: n}
	}
	return out, nil
}

// QuotaProjects lists the projects that have limits of their own.
func (s *Service) QuotaProjects(ctx context.Context) ([]string, error) {
	return s.store.QuotaProjects(ctx, s.cfg.DB)
}

// SetQuotas gives a project limits of its own.
func (s *Service) SetQuotas(ctx context.Context, project string, body map[string]any) (map[string]int64, error) {
	limits := map[string]int64{}
	for name, v := range body {
		if name == "tenant_id" || name == "project_id" {
			continue
		}
		if _, known := defaultQuotas[name]; !known {
			return nil, fault.New(fault.CodeNetworkQuotaUnknown, "Unrecognized attribute(s) '%s'", name)
		}
		n, err := toInt(v)
		if err != nil || n.(int64) < -1 || n.(int64) > 1<<31-1 {
			return nil, fault.New(fault.CodeNetworkInvalidInput, "Invalid input for %s. Reason: '%v' is not a number of -1 to %d.", name, v, 1<<31-1)
		}
		limits[name] = n.(int64)
	}
	err := s.change(ctx, systemScope, func(w *work) error { return w.s.store.SetQuotas(w.ctx, w.tx, project, limits) })
	if err != nil {
		return nil, err
	}
	return s.Quotas(ctx, project)
}

// DropQuotas gives a project the default limits again.
func (s *Service) DropQuotas(ctx context.Context, project string) error {
	return s.change(ctx, systemScope, func(w *work) error { return w.s.store.DropQuotas(w.ctx, w.tx, project) })
}

// quota refuses more of a resource than the project may have. It counts no
// further than the limit, within the transaction that adds.
func (w *work) quota(r *Resource, project string, more int64) error {
	if !r.Quota || project == "" {
		return nil
	}
	own, err := w.s.ownQuotas(w.ctx, w.tx, project)
	if err != nil {
		return err
	}
	limit, has := own[r.Singular]
	if !has {
		limit = w.s.DefaultQuotas()[r.Singular]
	}
	if limit < 0 {
		return nil
	}
	n, err := w.s.store.Count(w.ctx, w.tx, r, project, limit+1)
	if err == nil && n+more > limit {
		err = fault.New(fault.CodeNetworkOverQuota, "Quota exceeded for resources: ['%s'].", r.Singular)
	}
	return err
}

// Tags reads a resource's tags.
func (s *Service) Tags(ctx context.Context, scope auth.Scope, r *Resource, id string) ([]string, error) {
	row, err := s.Show(ctx, scope, r, id)
	if err != nil {
		return nil, err
	}
	return Decode[[]string](row, "tags"), nil
}

// ChangeTags replaces a resource's tags by what f makes of them.
func (s *Service) ChangeTags(ctx context.Context, scope auth.Scope, r *Resource, id, action string, f func(old []string) ([]string, error)) ([]string, error) {
	var out []string
	err := s.change(ctx, scope, func(w *work) error {
		row, err := w.seen(r, id)
		if err != nil {
			return err
		}
		rule := action + "_" + r.Singular + ":tags"
		if !rules()[rule] {
			rule = "update_" + r.Singular
		}
		if err := w.mayChange(rule, r, row, prepared{}); err != nil {
			return err
		}
		if out, err = f(Decode[[]string](row, "tags")); err != nil {
			return err
		}
		slices.Sort(out)
		out = slices.Compact(out)
		for _, t := range out {
			if len(t) > 255 || t == "" || len(out) > 50 {
				return malformed("Invalid input for tags. Reason: '%s' exceeds maximum length of 255, or there are more than 50 tags.", t)
			}
		}
		if err := w.s.store.SetTags(w.ctx, w.tx, id, out); err != nil {
			return err
		}
		if out == nil {
			out = []string{}
		}
		_, err = w.save(r, row, Row{"tags": out})
		return err
	})
	return out, err
}
